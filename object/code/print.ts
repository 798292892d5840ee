/**
 * Prints instructions in the syntax of the kernel's verifier log: `r1 = *(u64 *)(r10 -8)`.
 *
 * @module
 */

import {
  decodeInstruction,
  type Instruction,
  INSTRUCTION_SIZE,
  InstructionClass,
  Opcode,
  Pseudo,
} from "./instruction.ts";
import { helperName } from "../../uapi/enums.ts";
import { poisonOf } from "./poison.ts";

/** Options of printing. */
export interface PrintOptions {
  /** Names of the map, extern or subprogram that an instruction refers to, by its index. */
  readonly symbols?: ReadonlyMap<number, string> | undefined;
}

/**
 * Prints code line by line, each line with the instruction's index; a 64-bit load is one line.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { printInstructions } from "@skep/skep/object";
 *
 * const code = new Uint8Array([0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
 * assertEquals([...printInstructions(code)], ["   0: r0 = 2", "   1: exit"]);
 * ```
 */
export function* printInstructions(
  code: Uint8Array,
  options: PrintOptions = {},
): Generator<string> {
  const count = Math.floor(code.length / INSTRUCTION_SIZE);
  for (let index = 0; index < count; index++) {
    yield `${String(index).padStart(4)}: ${printInstruction(code, index, options)}`;
    if (code[index * INSTRUCTION_SIZE] === Opcode.loadImmediate64) index++;
  }
}

/**
 * Prints the instruction at an index. An unknown opcode is printed as `unknown opcode`.
 *
 * @throws {ObjectError} EINVAL when the index is out of range.
 */
export function printInstruction(
  code: Uint8Array,
  index: number,
  options: PrintOptions = {},
): string {
  const instruction = decodeInstruction(code, index);
  const symbol = options.symbols?.get(index);
  switch (instruction.opcode & 7) {
    case InstructionClass.alu:
    case InstructionClass.alu64:
      return printArithmetic(instruction);
    case InstructionClass.jmp:
    case InstructionClass.jmp32:
      return printJump(instruction, symbol);
    case InstructionClass.ldx:
      return printLoad(instruction);
    case InstructionClass.st:
      return printStore(instruction, String(instruction.immediate));
    case InstructionClass.stx:
      return printStoreRegister(instruction);
    default:
      return printSpecialLoad(code, index, instruction, symbol);
  }
}

/** BPF_X: the second operand is a register. */
const REGISTER = 0x08;
/** Mask of the operation: the upper four bits. */
const OPERATION = 0xf0;
/** Mask of the memory access mode: the upper three bits. */
const MODE = 0xe0;

const ARITHMETIC: { readonly [operation: number]: string } = {
  0x00: "+=",
  0x10: "-=",
  0x20: "*=",
  0x30: "/=",
  0x40: "|=",
  0x50: "&=",
  0x60: "<<=",
  0x70: ">>=",
  0x90: "%=",
  0xa0: "^=",
  0xb0: "=",
  0xc0: "s>>=",
};

function unknown({ opcode }: Instruction): string {
  return `unknown opcode 0x${opcode.toString(16).padStart(2, "0")}`;
}

function printArithmetic(instruction: Instruction): string {
  const { opcode, destination, source, offset, immediate } = instruction;
  const wide = (opcode & 7) === InstructionClass.alu64;
  const name = wide ? "r" : "w";
  const target = `${name}${destination}`;
  const operation = opcode & OPERATION;
  if (operation === 0x80) return `${target} = -${target}`;
  if (operation === 0xd0) {
    const order = wide ? "bswap" : (opcode & REGISTER) !== 0 ? "be" : "le";
    return `r${destination} = ${order}${immediate} r${destination}`;
  }
  const text = ARITHMETIC[operation];
  if (text === undefined) return unknown(instruction);
  const isMove = operation === 0xb0;
  const isDivision = operation === 0x30 || operation === 0x90;
  if ((opcode & REGISTER) === 0) {
    return `${target} ${isDivision && offset === 1 ? "s" : ""}${text} ${immediate}`;
  }
  if (isMove && wide && offset === 1) {
    const [to, from] = [immediate >>> 16, immediate & 0xffff];
    return `${target} = addr_space_cast(r${source}, ${to}, ${from})`;
  }
  if (isMove && wide && offset === -1) return `${target} = &(void __percpu *)(r${source})`;
  const cast = isMove && [8, 16, 32].includes(offset) ? `(s${offset})` : "";
  return `${target} ${isDivision && offset === 1 ? "s" : ""}${text} ${cast}${name}${source}`;
}

const SIZES: { readonly [bits: number]: string } = {
  0x00: "32",
  0x08: "16",
  0x10: "8",
  0x18: "64",
};

/** `(r10 -8)`. */
function address(register: number, offset: number): string {
  return `(r${register} ${offset < 0 ? "" : "+"}${offset})`;
}

function sizeOf({ opcode }: Instruction): string {
  return SIZES[opcode & 0x18] as string;
}

function printLoad(instruction: Instruction): string {
  const { opcode, destination, source, offset } = instruction;
  const mode = opcode & MODE;
  if (mode !== 0x60 && mode !== 0x80) return unknown(instruction);
  const sign = mode === 0x80 ? "s" : "u";
  return `r${destination} = *(${sign}${sizeOf(instruction)} *)${address(source, offset)}`;
}

function printStore(instruction: Instruction, value: string): string {
  const { opcode, destination, offset } = instruction;
  if ((opcode & MODE) !== 0x60) return unknown(instruction);
  return `*(u${sizeOf(instruction)} *)${address(destination, offset)} = ${value}`;
}

const ATOMIC: { readonly [operation: number]: readonly [string, string] } = {
  0x00: ["+=", "add"],
  0x40: ["|=", "or"],
  0x50: ["&=", "and"],
  0xa0: ["^=", "xor"],
};

function printStoreRegister(instruction: Instruction): string {
  const { opcode, destination, source, offset, immediate } = instruction;
  if ((opcode & MODE) !== 0xc0) return printStore(instruction, `r${source}`);
  const size = sizeOf(instruction);
  const place = `(u${size} *)${address(destination, offset)}`;
  const name = `atomic${size === "64" ? "64" : ""}`;
  switch (immediate) {
    case 0xe1:
      return `r${source} = ${name}_xchg(${place}, r${source})`;
    case 0xf1:
      return `r0 = ${name}_cmpxchg(${place}, r0, r${source})`;
    case 0x100:
      return `r${destination} = load_acquire((u${size} *)${address(source, offset)})`;
    case 0x110:
      return `store_release(${place}, r${source})`;
  }
  const operation = ATOMIC[immediate & ~1];
  if (operation === undefined) return unknown(instruction);
  return (immediate & 1) === 0
    ? `lock *${place} ${operation[0]} r${source}`
    : `r${source} = ${name}_fetch_${operation[1]}(${place}, r${source})`;
}

const COMPARISONS: { readonly [operation: number]: string } = {
  0x10: "==",
  0x20: ">",
  0x30: ">=",
  0x40: "&",
  0x50: "!=",
  0x60: "s>",
  0x70: "s>=",
  0xa0: "<",
  0xb0: "<=",
  0xc0: "s<",
  0xd0: "s<=",
};

/** `pc+3`. */
function distance(count: number): string {
  return `pc${count < 0 ? "" : "+"}${count}`;
}

function printJump(instruction: Instruction, symbol: string | undefined): string {
  const { opcode, destination, source, offset, immediate } = instruction;
  const wide = (opcode & 7) === InstructionClass.jmp;
  const byRegister = (opcode & REGISTER) !== 0;
  switch (opcode) {
    case Opcode.exit:
      return "exit";
    case Opcode.call:
      return printCall(instruction, symbol);
    case 0x8d:
      return `callx r${destination}`;
    case 0x05:
      return `goto ${distance(offset)}`;
    case 0x06:
      return `gotol ${distance(immediate)}`;
    case 0x0d:
      return `gotox r${destination}`;
    case 0xe5:
      return `may_goto ${distance(offset)}`;
  }
  const comparison = COMPARISONS[opcode & OPERATION];
  if (comparison === undefined) return unknown(instruction);
  const name = wide ? "r" : "w";
  const value = byRegister ? `${name}${source}` : `0x${(immediate >>> 0).toString(16)}`;
  return `if ${name}${destination} ${comparison} ${value} goto ${distance(offset)}`;
}

function printCall({ source, immediate }: Instruction, symbol: string | undefined): string {
  switch (source) {
    case Pseudo.call:
      return symbol === undefined
        ? `call ${distance(immediate)}`
        : `call ${symbol} (${distance(immediate)})`;
    case Pseudo.kfuncCall:
      return `call ${symbol ?? `kfunc#${immediate}`}`;
    case 0: {
      const poison = poisonOf(immediate);
      if (poison !== undefined) {
        return poison.kind === "core"
          ? "call poison (CO-RE)"
          : `call poison (${poison.kind} ${poison.index})`;
      }
      const helper = helperName(immediate);
      return `call ${helper === undefined ? "unknown" : `bpf_${helper}`}#${immediate}`;
    }
    default:
      return `call unknown#${immediate}`;
  }
}

function printSpecialLoad(
  code: Uint8Array,
  index: number,
  instruction: Instruction,
  symbol: string | undefined,
): string {
  const { opcode, destination, source, immediate } = instruction;
  const mode = opcode & MODE;
  if (mode === 0x20) return `r0 = *(u${sizeOf(instruction)} *)skb[${immediate}]`;
  if (mode === 0x40) return `r0 = *(u${sizeOf(instruction)} *)skb[r${source} + ${immediate}]`;
  if (opcode !== Opcode.loadImmediate64) return unknown(instruction);
  if ((index + 2) * INSTRUCTION_SIZE > code.length) return `r${destination} = half a 64-bit load`;
  const high = decodeInstruction(code, index + 1).immediate;
  return `r${destination} = ${wideValue(source, immediate, high, symbol)}`;
}

function wideValue(
  source: number,
  low: number,
  high: number,
  symbol: string | undefined,
): string {
  switch (source) {
    case 0:
      if (symbol !== undefined) return symbol;
      return `0x${BigInt.asUintN(64, BigInt(high) << 32n | BigInt(low >>> 0)).toString(16)}`;
    case Pseudo.mapFd:
      return `map[${symbol ?? `fd ${low}`}]`;
    case Pseudo.mapValue:
      return `map[${symbol ?? `fd ${low}`}][0]+${high >>> 0}`;
    case Pseudo.btfId:
      return symbol === undefined ? `ksym[type ${low}]` : `ksym[${symbol}]`;
    case Pseudo.func:
      return symbol === undefined ? `subprog[${distance(low)}]` : `subprog[${symbol}]`;
    case Pseudo.mapIndex:
      return `map[index ${low}]`;
    case Pseudo.mapIndexValue:
      return `map[index ${low}][0]+${high >>> 0}`;
    default:
      return `unknown load of kind ${source}`;
  }
}
