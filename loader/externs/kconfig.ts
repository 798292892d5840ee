/**
 * Parses kernel configuration into the values of `.kconfig` externs.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import type { ExternSpec } from "../../object/spec/spec.ts";

/** `enum libbpf_tristate`. */
const TRISTATE: { readonly [letter: string]: number } = { n: 0, m: 1, y: 2 };

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Builds the contents of a `.kconfig` map. */
export class KconfigValues {
  /** Contents of the map; externs without a value are zero. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #wanted = new Map<string, ExternSpec>();
  readonly #set = new Set<ExternSpec>();

  /** Allocates zeroed contents for the kconfig externs among `externs`. */
  constructor(externs: readonly ExternSpec[]) {
    let size = 0;
    for (const extern of externs) {
      if (extern.kind !== "kconfig") continue;
      size = Math.max(size, extern.offset + extern.size);
      this.#wanted.set(extern.name, extern);
    }
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Returns whether an extern has a value. */
  has(extern: ExternSpec): boolean {
    return this.#set.has(extern);
  }

  /** Whether a wanted configuration option (`CONFIG_…`) has no value yet. */
  get incomplete(): boolean {
    for (const extern of this.#wanted.values()) {
      if (extern.name.startsWith("CONFIG_") && !this.#set.has(extern)) return true;
    }
    return false;
  }

  /**
   * Reads values from configuration text: lines `CONFIG_X=y`. An option that has a value keeps it, so the first
   * of several sources takes precedence. Comments and other lines are ignored.
   *
   * `source` names the text in errors.
   *
   * @throws {SkepError} EINVAL when a wanted option's value does not fit the type that the object declares, or a
   * `CONFIG_` line has no value.
   */
  read(text: string | Uint8Array, source: string): void {
    const lines = typeof text === "string" ? text : decoder.decode(text);
    let from = 0;
    for (let number = 1; from < lines.length; number++) {
      let end = lines.indexOf("\n", from);
      if (end < 0) end = lines.length;
      if (lines.startsWith("CONFIG_", from)) {
        this.#line(lines.slice(from, end), `${source}:${number}`);
      }
      from = end + 1;
    }
  }

  /**
   * Sets the value of a virtual option or of a numeric one.
   *
   * @throws {SkepError} EINVAL when the extern is not a number, `outOfRange` when the value does not fit its size.
   */
  setNumber(extern: ExternSpec, value: bigint, outOfRange = "ERANGE"): void {
    const { kind, signed } = extern.kconfig ?? { kind: "text", signed: false };
    if (kind === "tristate" || kind === "text") {
      throw misfit(extern, `${value}`, "is a number");
    }
    if (kind === "bool" && value > 1n) throw misfit(extern, `${value}`, "is neither 0 nor 1");
    const bits = extern.size * 8;
    // Values have 64 bits. A negative value fits a narrower type only if that is signed.
    const fits = bits === 64 ||
      (signed ? BigInt.asIntN(bits, value) === BigInt.asIntN(64, value) : BigInt.asUintN(
        bits,
        value,
      ) === BigInt.asUintN(64, value));
    if (!fits) throw misfit(extern, `${value}`, `does not fit into ${bits} bits`, outOfRange);
    this.#store(extern, value);
  }

  #line(line: string, place: string): void {
    const separator = line.indexOf("=");
    const value = line.slice(separator + 1);
    if (separator < 0 || value === "") {
      throw new SkepError({
        doing: "read configuration",
        subject: place,
        errno: "EINVAL",
        stage: "relocate",
        why: `"${line.slice(0, 80)}" has no value`,
      });
    }
    const extern = this.#wanted.get(line.slice(0, separator));
    if (extern === undefined || this.#set.has(extern)) return;
    const first = value[0] as string;
    if (first === '"') this.#setText(extern, value);
    else if (first in TRISTATE) this.#setLetter(extern, first);
    else {
      const number = parseNumber(value);
      if (number === undefined) throw misfit(extern, value, "is not a number");
      if (extern.kconfig?.kind === "bool") throw misfit(extern, value, "is a number");
      // libbpf returns EINVAL for every invalid configuration line, also for a number out of range.
      this.setNumber(extern, number, "EINVAL");
    }
  }

  #setLetter(extern: ExternSpec, letter: string): void {
    switch (extern.kconfig?.kind) {
      case "bool":
        if (letter === "m") throw misfit(extern, letter, "is neither y nor n");
        return this.#store(extern, letter === "y" ? 1n : 0n);
      case "tristate":
        return this.#store(extern, BigInt(TRISTATE[letter] as number));
      case "char":
        return this.#store(extern, BigInt(letter.charCodeAt(0)));
      default:
        throw misfit(extern, letter, "is one of y, n and m");
    }
  }

  #setText(extern: ExternSpec, quoted: string): void {
    if (extern.kconfig?.kind !== "text") throw misfit(extern, quoted, "is text");
    if (quoted.length < 2 || !quoted.endsWith('"')) {
      throw misfit(extern, quoted, "does not end in a quotation mark");
    }
    // Truncated to the extern's size with its terminating NUL, as libbpf does.
    const bytes = encoder.encode(quoted.slice(1, -1)).subarray(0, extern.size - 1);
    this.bytes.set(bytes, extern.offset);
    this.#set.add(extern);
  }

  #store(extern: ExternSpec, value: bigint): void {
    const { offset, size } = extern;
    if (size === 1) this.#view.setUint8(offset, Number(value & 0xffn));
    else if (size === 2) this.#view.setUint16(offset, Number(value & 0xffffn), true);
    else if (size === 4) this.#view.setUint32(offset, Number(value & 0xffff_ffffn), true);
    else this.#view.setBigUint64(offset, value, true);
    this.#set.add(extern);
  }
}

/** Parses a number in C notation: decimal, hexadecimal (0x…) or octal (leading 0), of at most 64 bits. */
function parseNumber(text: string): bigint | undefined {
  const match = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text);
  if (match === null) return undefined;
  const digits = match[2] as string;
  const octal = digits.length > 1 && /^0[0-7]/.test(digits);
  const magnitude = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  if (magnitude >= 1n << 64n) return undefined;
  return BigInt.asUintN(64, match[1] === "-" ? -magnitude : magnitude);
}

function misfit(extern: ExternSpec, value: string, why: string, errno = "EINVAL"): SkepError {
  const declared = extern.kconfig === undefined
    ? "of no known type"
    : `${extern.kconfig.kind} of ${extern.size} ${extern.size === 1 ? "byte" : "bytes"}`;
  return new SkepError({
    doing: "set extern",
    subject: extern.name,
    errno,
    stage: "relocate",
    why: `the configured value ${value.slice(0, 80)} ${why}, and the object declares ${declared}`,
    fix: `declare ${extern.name} with the type that the configuration has`,
  });
}
