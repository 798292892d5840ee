/**
 * Inputs whose size is proportional to `n`, but which earlier versions processed in superlinear time.
 *
 * @module
 */

import { elfBytes, type SectionBytes, symbolBytes } from "../../support/elf_bytes.ts";

const encoder = new TextEncoder();

/** A growing array of little-endian 32-bit words. */
class Words {
  #words: Uint32Array = new Uint32Array(1024);
  #length = 0;

  /** Appends words. */
  put(...words: readonly number[]): void {
    for (const word of words) {
      if (this.#length === this.#words.length) {
        const larger = new Uint32Array(this.#length * 2);
        larger.set(this.#words);
        this.#words = larger;
      }
      this.#words[this.#length++] = word;
    }
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#words.slice(0, this.#length).buffer);
  }
}

/** Encodes BTF from types that are already 32-bit words. */
function btf(types: Words, strings: Uint8Array): Uint8Array<ArrayBuffer> {
  const body = types.bytes;
  const bytes = new Uint8Array(24 + body.length + strings.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, true);
  view.setUint8(2, 1);
  view.setUint32(4, 24, true);
  view.setUint32(12, body.length, true);
  view.setUint32(16, body.length, true);
  view.setUint32(20, strings.length, true);
  bytes.set(body, 24);
  bytes.set(strings, 24 + body.length);
  return bytes;
}

const INT = 1 << 24;
const STRUCT = 4 << 24;
const TYPEDEF = 8 << 24;

/** `n` structs whose names are suffixes of one long name. */
export function suffixNames(n: number): Uint8Array<ArrayBuffer> {
  const strings = new Uint8Array(n + 2).fill(0x61);
  strings[0] = strings[n + 1] = 0;
  const types = new Words();
  for (let index = 0; index < n; index++) types.put(1 + index, STRUCT, 0);
  return btf(types, strings);
}

/** `n` flavours of one struct name: `a___1`. */
export function flavours(n: number): Uint8Array<ArrayBuffer> {
  const parts = ["\0"];
  const types = new Words();
  let at = 1;
  for (let index = 0; index < n; index++) {
    const name = `a___${index}\0`;
    parts.push(name);
    types.put(at, STRUCT, 0);
    at += name.length;
  }
  return btf(types, encoder.encode(parts.join("")));
}

/** A struct of `n` structs of `n` `int` members: n × n members in total. */
export function nested(n: number, size: 4 | 0): Uint8Array<ArrayBuffer> {
  const parts = ["\0int\0inner\0outer\0"];
  const types = new Words();
  types.put(1, size === 4 ? INT : STRUCT, size);
  if (size === 4) types.put(32);
  let at = parts[0]?.length ?? 0;
  const names: number[] = [];
  for (let index = 0; index < n; index++) {
    const name = `m${index}\0`;
    names.push(at);
    parts.push(name);
    at += name.length;
  }
  for (const [name, type, each] of [[5, 1, size], [11, 2, size * n]] as const) {
    types.put(name, STRUCT | n, each * n);
    for (const [index, member] of names.entries()) types.put(member, type, index * each * 8);
  }
  return btf(types, encoder.encode(parts.join("")));
}

/** A chain of `n` typedefs, each of the previous one. */
export function typedefs(n: number): Uint8Array<ArrayBuffer> {
  const parts = ["\0int\0"];
  const types = new Words();
  types.put(1, INT, 4, 32);
  let at = 5;
  for (let index = 0; index < n; index++) {
    const name = `t${index}\0`;
    parts.push(name);
    types.put(at, TYPEDEF, index + 1);
    at += name.length;
  }
  return btf(types, encoder.encode(parts.join("")));
}

interface Function {
  readonly name: string;
  readonly section: number;
  readonly offset: number;
  readonly size: number;
  /** Binding of the symbol: STB_GLOBAL or STB_LOCAL. */
  readonly global: boolean;
}

function object(
  code: readonly SectionBytes[],
  functions: readonly Function[],
): Uint8Array<ArrayBuffer> {
  const parts: string[] = ["\0"];
  let at = 1;
  const symbols = functions.map(({ name, section, offset, size, global }) => {
    parts.push(`${name}\0`);
    const symbol = { name: at, info: global ? 0x12 : 2, section, value: offset, size };
    at += name.length + 1;
    return symbol;
  });
  const count = code.length;
  return elfBytes([
    ...code,
    { name: "license", type: 1, flags: 3, data: encoder.encode("GPL\0") },
    {
      name: ".symtab",
      type: 2,
      data: symbolBytes(symbols),
      link: count + 3,
      info: 1,
      entrySize: 24,
    },
    { name: ".names", type: 3, data: encoder.encode(parts.join("")) },
  ]);
}

type Instruction = readonly [code: number, registers: number, immediate: number];

function instructions(...each: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(each.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, [code, registers, immediate]] of each.entries()) {
    view.setUint8(index * 8, code);
    view.setUint8(index * 8 + 1, registers);
    view.setInt32(index * 8 + 4, immediate, true);
  }
  return bytes;
}

const MOV = [0xb7, 0, 0] as const;
const EXIT = [0x95, 0, 0] as const;
const CALL = [0x85, 0x10, -1] as const;

/** `n` programs that call one function of 16 × n instructions. */
export function sharedFunction(n: number): Uint8Array<ArrayBuffer> {
  const length = 16 * n;
  const big = instructions(...Array.from({ length: length - 1 }, () => MOV), EXIT);
  const code: SectionBytes[] = [{ name: ".text", type: 1, flags: 6, data: big }];
  const functions: Function[] = [
    { name: "big", section: 1, offset: 0, size: big.length, global: true },
  ];
  const small = instructions(CALL, EXIT);
  for (let index = 0; index < n; index++) {
    const section = code.length + 1;
    code.push({ name: "socket", type: 1, flags: 6, data: small });
    const relocation = new Uint8Array(16);
    // R_BPF_64_32 of symbol 1, `big`.
    new DataView(relocation.buffer).setBigUint64(8, (1n << 32n) | 10n, true);
    code.push({
      name: ".relsocket",
      type: 9,
      data: relocation,
      link: 2 * n + 3,
      info: section,
      entrySize: 16,
    });
    functions.push({ name: `p${index}`, section, offset: 0, size: 16, global: true });
  }
  return object(code, functions);
}

/** `n` programs that call the first of `n` functions, each of which calls the next. */
export function sharedChain(n: number): Uint8Array<ArrayBuffer> {
  const text = chain(n);
  const code: SectionBytes[] = [{ name: ".text", type: 1, flags: 6, data: text }];
  const functions: Function[] = chained(n);
  const small = instructions(CALL, EXIT);
  for (let index = 0; index < n; index++) {
    const section = code.length + 1;
    const data = new Uint8Array(16);
    new DataView(data.buffer).setBigUint64(8, (1n << 32n) | 10n, true);
    code.push({ name: "socket", type: 1, flags: 6, data: small }, {
      name: ".relsocket",
      type: 9,
      data,
      link: 2 * n + 3,
      info: section,
      entrySize: 16,
    });
    functions.push({ name: `p${index}`, section, offset: 0, size: 16, global: true });
  }
  return object(code, functions);
}

/** `n` programs in one section. */
export function manyPrograms(n: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(16 * n);
  const one = instructions(MOV, EXIT);
  for (let index = 0; index < n; index++) data.set(one, index * 16);
  return object(
    [{ name: "socket", type: 1, flags: 6, data }],
    Array.from({ length: n }, (_, index) => ({
      name: `p${index}`,
      section: 1,
      offset: index * 16,
      size: 16,
      global: true,
    })),
  );
}

/** `n` functions, each of which calls the next. */
function chain(n: number): Uint8Array<ArrayBuffer> {
  const text = new Uint8Array(16 * n);
  const view = new DataView(text.buffer);
  for (let index = 0; index < n; index++) {
    const last = index === n - 1;
    text.set(instructions(last ? MOV : CALL, EXIT), index * 16);
    // A call within the section: the next function begins at the next instruction.
    if (!last) view.setInt32(index * 16 + 4, 1, true);
  }
  return text;
}

function chained(n: number): Function[] {
  return Array.from({ length: n }, (_, index) => ({
    name: `f${index}`,
    section: 1,
    offset: index * 16,
    size: 16,
    global: true,
  }));
}

/** A chain of `n` functions and one program that calls the first. */
export function callChain(n: number): Uint8Array<ArrayBuffer> {
  const relocation = new Uint8Array(16);
  new DataView(relocation.buffer).setBigUint64(8, (1n << 32n) | 10n, true);
  return object([
    { name: ".text", type: 1, flags: 6, data: chain(n) },
    { name: "socket", type: 1, flags: 6, data: instructions(CALL, EXIT) },
    { name: ".relsocket", type: 9, data: relocation, link: 5, info: 2, entrySize: 16 },
  ], [...chained(n), { name: "start", section: 2, offset: 0, size: 16, global: true }]);
}
