/**
 * Parses addresses of kernel symbols from `/proc/kallsyms`.
 *
 * @module
 */

/** Addresses of wanted symbols. */
export interface KernelAddresses {
  /** Addresses by symbol name; more than one address when the name is ambiguous. */
  readonly found: ReadonlyMap<string, readonly bigint[]>;
  /**
   * Whether the kernel hides addresses from this process, showing each as zero: in a user namespace, or by
   * `kernel.kptr_restrict`. An address of 0 is then not the symbol's.
   */
  readonly hidden: boolean;
}

const NEWLINE = 10;
const SPACE = 32;
const TAB = 9;
const ZERO = 48;
/** Type letter `d` of local data, to whose names clang's LTO may append `.llvm.…`. */
const LOCAL_DATA = 100;
const LLVM_SUFFIX = ".llvm.";

/**
 * Looks up names in the text of `/proc/kallsyms`: lines of address, type letter, name and optional module.
 *
 * Makes one pass over the bytes and decodes only lines whose name begins like a wanted one.
 */
export function readAddresses(bytes: Uint8Array, names: Iterable<string>): KernelAddresses {
  const wanted = new Set(names);
  const starts = firstBytes(wanted);
  const found = new Map<string, bigint[]>();
  let hidden = true;
  let at = 0;
  while (at < bytes.length) {
    const addressAt = at;
    while (at < bytes.length && bytes[at] !== SPACE && bytes[at] !== NEWLINE) {
      if (hidden && bytes[at] !== ZERO) hidden = false;
      at++;
    }
    const addressEnd = at;
    const type = bytes[at + 1];
    const nameAt = at + 3;
    // The first byte of the name excludes most lines without decoding them.
    const interesting = nameAt < bytes.length && bytes[at] === SPACE &&
      starts[bytes[nameAt] as number] === 1;
    let end = bytes.indexOf(NEWLINE, at);
    if (end < 0) end = bytes.length;
    if (interesting) {
      const name = wantedName(bytes, nameAt, end, type === LOCAL_DATA, wanted);
      if (name !== undefined) add(found, name, hexadecimal(bytes, addressAt, addressEnd));
    }
    at = end + 1;
  }
  return { found, hidden: hidden && bytes.length > 0 };
}

function firstBytes(names: ReadonlySet<string>): Uint8Array {
  const starts = new Uint8Array(256);
  for (const name of names) starts[name.charCodeAt(0) & 255] = 1;
  return starts;
}

function wantedName(
  bytes: Uint8Array,
  from: number,
  lineEnd: number,
  localData: boolean,
  wanted: ReadonlySet<string>,
): string | undefined {
  let name = "";
  for (let at = from; at < lineEnd; at++) {
    const byte = bytes[at] as number;
    if (byte === SPACE || byte === TAB) break;
    name += String.fromCharCode(byte);
  }
  if (wanted.has(name)) return name;
  const suffix = localData ? name.indexOf(LLVM_SUFFIX) : -1;
  return suffix > 0 && wanted.has(name.slice(0, suffix)) ? name.slice(0, suffix) : undefined;
}

function add(found: Map<string, bigint[]>, name: string, address: bigint): void {
  const addresses = found.get(name);
  if (addresses === undefined) found.set(name, [address]);
  else if (!addresses.includes(address)) addresses.push(address);
}

function hexadecimal(bytes: Uint8Array, from: number, to: number): bigint {
  let text = "0x0";
  for (let at = from; at < to; at++) text += String.fromCharCode(bytes[at] as number);
  return /^0x[0-9a-fA-F]+$/.test(text) ? BigInt.asUintN(64, BigInt(text)) : 0n;
}
