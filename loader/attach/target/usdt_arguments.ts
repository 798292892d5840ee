/**
 * Parses the arguments of a USDT probe, and encodes them as `struct __bpf_usdt_spec`.
 *
 * A note describes each argument in assembler syntax as `SIZE@PLACE`, with a negative size for a signed
 * value. On x86-64 a place is `$CONSTANT`, `%REGISTER`, `OFFSET(%REGISTER)` or
 * `OFFSET(%BASE,%INDEX,SCALE)`; on aarch64 `CONSTANT`, `REGISTER`, `[REGISTER]` or `[REGISTER, OFFSET]`.
 *
 * @module
 */

import { setField, viewOf } from "../../../uapi/fields.ts";
import {
  BPF_USDT_ARG_CONST,
  BPF_USDT_ARG_REG,
  BPF_USDT_ARG_REG_DEREF,
  BPF_USDT_ARG_SIB,
  BPF_USDT_MAX_ARG_CNT,
  usdtLayouts,
} from "../../../uapi/usdt.ts";

/** One argument. `register` and `index` are offsets in `struct pt_regs` in bytes. */
export interface UsdtArgument {
  /** Size in bytes: 1, 2, 4 or 8. */
  readonly size: number;
  /** Whether the value is sign-extended. */
  readonly signed: boolean;
  /** Location of the value. */
  readonly place:
    | { readonly kind: "constant"; readonly value: bigint }
    | { readonly kind: "register"; readonly register: number }
    | { readonly kind: "memory"; readonly register: number; readonly offset: bigint }
    | {
      readonly kind: "indexed";
      readonly register: number;
      readonly index: number;
      readonly scale: number;
      readonly offset: bigint;
    };
}

/**
 * Sizes of `struct __bpf_usdt_spec` in bytes: in libbpf's `usdt.bpf.h` before 1.7, and since. They differ
 * because C moves a 12-bit bit-field that would cross a 16-bit boundary to the next unit.
 */
export const USDT_SPEC_SIZES: readonly number[] = usdtLayouts.map(({ size }) => size);

/** Offsets of x86-64 registers in `struct pt_regs` in bytes, by the names of the register and its parts. */
const X86_64: ReadonlyMap<string, number> = new Map(
  [
    ["r15", "r15d", "r15w", "r15b"],
    ["r14", "r14d", "r14w", "r14b"],
    ["r13", "r13d", "r13w", "r13b"],
    ["r12", "r12d", "r12w", "r12b"],
    ["rbp", "ebp", "bp", "bpl"],
    ["rbx", "ebx", "bx", "bl"],
    ["r11", "r11d", "r11w", "r11b"],
    ["r10", "r10d", "r10w", "r10b"],
    ["r9", "r9d", "r9w", "r9b"],
    ["r8", "r8d", "r8w", "r8b"],
    ["rax", "eax", "ax", "al"],
    ["rcx", "ecx", "cx", "cl"],
    ["rdx", "edx", "dx", "dl"],
    ["rsi", "esi", "si", "sil"],
    ["rdi", "edi", "di", "dil"],
    [],
    ["rip"],
    [],
    [],
    ["rsp", "esp", "sp", "spl"],
  ].flatMap((names, index) => names.map((name) => [name, index * 8] as const)),
);

/**
 * Parses the arguments of a note.
 *
 * @param machine Architecture as in `uname -m`.
 * @throws {SyntaxError} for more than BPF_USDT_MAX_ARG_CNT arguments, or an unsupported one.
 */
export function parseUsdtArguments(text: string, machine: string): UsdtArgument[] {
  const words = text.trim() === "" ? [] : splitArguments(text.trim());
  if (words.length > BPF_USDT_MAX_ARG_CNT) {
    throw new SyntaxError(`${words.length} arguments; ${BPF_USDT_MAX_ARG_CNT} are supported`);
  }
  return words.map((word) => parseArgument(word, machine));
}

/** Splits at spaces, except within brackets. */
function splitArguments(text: string): string[] {
  return text.match(/-?\d+\s*@\s*(?:\[[^\]]*\]|[^\s[]\S*)/g) ?? [text];
}

function parseArgument(word: string, machine: string): UsdtArgument {
  const match = /^(-?)(\d+)\s*@\s*(.+)$/.exec(word);
  const size = Number(match?.[2]);
  if (match === null || ![1, 2, 4, 8].includes(size)) {
    throw new SyntaxError(`"${word}" is not an argument of 1, 2, 4 or 8 bytes`);
  }
  const place = machine === "aarch64" ? arm(match[3] as string) : x86(match[3] as string);
  if (place === undefined) throw new SyntaxError(`"${word}" has an unsupported place`);
  return { size, signed: match[1] === "-", place };
}

function x86(text: string): UsdtArgument["place"] | undefined {
  const constant = /^\$(-?(?:0x[0-9a-f]+|\d+))$/i.exec(text);
  if (constant !== null) return { kind: "constant", value: toBigInt(constant[1] as string) };
  const plain = /^%(\w+)$/.exec(text);
  if (plain !== null) {
    const register = X86_64.get(plain[1] as string);
    return register === undefined ? undefined : { kind: "register", register };
  }
  const memory = /^(-?(?:0x[0-9a-f]+|\d+))?\(\s*%(\w+)\s*(?:,\s*%(\w+)\s*(?:,\s*([1248])\s*)?)?\)$/i
    .exec(text);
  if (memory === null) return undefined;
  const register = X86_64.get(memory[2] as string);
  const offset = toBigInt(memory[1] ?? "0");
  if (register === undefined) return undefined;
  if (memory[3] === undefined) return { kind: "memory", register, offset };
  const index = X86_64.get(memory[3]);
  const scale = Number(memory[4] ?? 1);
  return index === undefined ? undefined : { kind: "indexed", register, index, scale, offset };
}

function arm(text: string): UsdtArgument["place"] | undefined {
  if (/^-?\d+$/.test(text)) return { kind: "constant", value: BigInt(text) };
  const memory = /^\[\s*(\w+)\s*(?:,\s*#?(-?\d+)\s*)?\]$/.exec(text);
  if (memory !== null) {
    const register = armRegister(memory[1] as string);
    const offset = BigInt(memory[2] ?? 0);
    return register === undefined ? undefined : { kind: "memory", register, offset };
  }
  const register = armRegister(text);
  return register === undefined ? undefined : { kind: "register", register };
}

/** Returns an offset in `struct user_pt_regs` (x0 to x30, sp, pc) in bytes. */
function armRegister(name: string): number | undefined {
  if (name === "sp") return 31 * 8;
  const number = Number(/^[xw](\d+)$/.exec(name)?.[1] ?? NaN);
  return number <= 30 ? number * 8 : undefined;
}

function toBigInt(text: string): bigint {
  return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
}

const KINDS: { readonly [kind in UsdtArgument["place"]["kind"]]: number } = {
  constant: BPF_USDT_ARG_CONST,
  register: BPF_USDT_ARG_REG,
  memory: BPF_USDT_ARG_REG_DEREF,
  indexed: BPF_USDT_ARG_SIB,
};

function valueOf(place: UsdtArgument["place"]): bigint {
  if (place.kind === "constant") return place.value;
  return place.kind === "register" ? 0n : place.offset;
}

/**
 * Encodes `struct __bpf_usdt_spec` of libbpf's `usdt.bpf.h`, which `bpf_usdt_arg()` reads.
 *
 * @param usdtArguments At most twelve.
 * @param cookie Value that `bpf_usdt_cookie()` returns.
 * @param size Value size of the object's map: one of {@linkcode USDT_SPEC_SIZES}, which selects the layout.
 * @throws {SyntaxError} for an indexed place in the layout before libbpf 1.7, which cannot express it.
 */
export function encodeUsdtSpec(
  usdtArguments: readonly UsdtArgument[],
  cookie: bigint,
  size: number,
): Uint8Array<ArrayBuffer> {
  const layout = usdtLayouts.find((one) => one.size === size) ?? usdtLayouts[0];
  const { spec, argument: field, argumentSize } = layout;
  const bytes = new Uint8Array(layout.size);
  const view = viewOf(bytes);
  for (const [number, { size, signed, place }] of usdtArguments.entries()) {
    const at = new DataView(bytes.buffer, spec.args[0] + number * argumentSize, argumentSize);
    setField(at, field.arg_type, KINDS[place.kind]);
    setField(at, field.val_off, valueOf(place));
    if (place.kind === "indexed") {
      if (!("idx_reg_off" in field)) {
        throw new SyntaxError(
          "programs built with libbpf before 1.7 do not support indexed places",
        );
      }
      setField(at, field.idx_reg_off, place.index);
      setField(at, field.scale_bitshift, Math.log2(place.scale));
    }
    setField(at, field.reg_off, place.kind === "constant" ? 0 : place.register);
    setField(at, field.arg_signed, signed ? 1 : 0);
    setField(at, field.arg_bitshift, 64 - size * 8);
  }
  setField(view, spec.usdt_cookie, cookie);
  setField(view, spec.arg_cnt, usdtArguments.length);
  return bytes;
}
