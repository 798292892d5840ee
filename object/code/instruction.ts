/**
 * Decodes and edits BPF instructions: eight bytes each, little-endian whatever the object's byte order.
 *
 * @module
 */

import { ObjectError } from "../spec/error.ts";

/** Size of an instruction in bytes. */
export const INSTRUCTION_SIZE: number = 8;

/** Instruction classes: the lowest three bits of an opcode. */
export const InstructionClass = {
  ld: 0,
  ldx: 1,
  st: 2,
  stx: 3,
  alu: 4,
  jmp: 5,
  jmp32: 6,
  alu64: 7,
} as const;

/** Opcodes that a loader handles. */
export const Opcode = {
  /** The first half of a 64-bit immediate load, which takes two instructions. */
  loadImmediate64: 0x18,
  /** A call of a helper, a kfunc or a subprogram. */
  call: 0x85,
  /** The end of a function. */
  exit: 0x95,
} as const;

/** Meanings of the source register of a call or of a 64-bit immediate load (BPF_PSEUDO_…). */
export const Pseudo = {
  /** Load: the immediate is a map's descriptor. */
  mapFd: 1,
  /** Load: the immediates are a map's descriptor and an offset into its only value. */
  mapValue: 2,
  /** Load: the immediates are a type id in the kernel's BTF and that BTF's descriptor. */
  btfId: 3,
  /** Load: the immediate is the distance to a subprogram, whose address is loaded. */
  func: 4,
  /** Load: the immediate is an index into the descriptor array. */
  mapIndex: 5,
  /** Load: as `mapIndex`, with an offset into the map's only value. */
  mapIndexValue: 6,
  /** Call of a subprogram. */
  call: 1,
  /** Call of a kernel function. */
  kfuncCall: 2,
} as const;

/** A decoded instruction. */
export interface Instruction {
  /** The opcode. */
  readonly opcode: number;
  /** The destination register, 0 to 15. */
  readonly destination: number;
  /** The source register, 0 to 15. */
  readonly source: number;
  /** Offset, signed 16 bits. */
  readonly offset: number;
  /** Immediate, signed 32 bits. */
  readonly immediate: number;
}

/**
 * Decodes the instruction at an index.
 *
 * @throws {ObjectError} EINVAL when the index is out of range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeInstruction } from "@skep/skep/object";
 *
 * const exit = new Uint8Array([0x95, 0, 0, 0, 0, 0, 0, 0]);
 * assertEquals(decodeInstruction(exit, 0).opcode, 0x95);
 * ```
 */
export function decodeInstruction(code: Uint8Array, index: number): Instruction {
  const at = index * INSTRUCTION_SIZE;
  if (!(at >= 0 && at + INSTRUCTION_SIZE <= code.length)) {
    throw new ObjectError({
      doing: "decode",
      subject: `instruction ${index}`,
      errno: "EINVAL",
      why: `the code has ${Math.floor(code.length / INSTRUCTION_SIZE)} instructions`,
    });
  }
  return {
    opcode: code[at] as number,
    destination: (code[at + 1] as number) & 15,
    source: (code[at + 1] as number) >> 4,
    offset: ((code[at + 2] as number) | (code[at + 3] as number) << 8) << 16 >> 16,
    immediate: immediateOf(code, index),
  };
}

// The accessors below allocate nothing and do not check the index, for loops over many instructions.

/** Returns the opcode at an index; not checked. */
export function opcodeOf(code: Uint8Array, index: number): number {
  return code[index * INSTRUCTION_SIZE] as number;
}

/** Returns the source register at an index; not checked. */
export function sourceOf(code: Uint8Array, index: number): number {
  return (code[index * INSTRUCTION_SIZE + 1] as number) >> 4;
}

/** Sets the source register at an index; not checked. */
export function setSource(code: Uint8Array, index: number, source: number): void {
  const at = index * INSTRUCTION_SIZE + 1;
  code[at] = (code[at] as number) & 15 | source << 4;
}

/** Sets the offset at an index; not checked. */
export function setOffset(code: Uint8Array, index: number, offset: number): void {
  const at = index * INSTRUCTION_SIZE + 2;
  code[at] = offset;
  code[at + 1] = offset >> 8;
}

/** Returns the signed immediate at an index; not checked. */
export function immediateOf(code: Uint8Array, index: number): number {
  const at = index * INSTRUCTION_SIZE + 4;
  return (code[at] as number) | (code[at + 1] as number) << 8 | (code[at + 2] as number) << 16 |
    (code[at + 3] as number) << 24;
}

/** Sets the immediate at an index; not checked. */
export function setImmediate(code: Uint8Array, index: number, value: number): void {
  const at = index * INSTRUCTION_SIZE + 4;
  code[at] = value;
  code[at + 1] = value >> 8;
  code[at + 2] = value >> 16;
  code[at + 3] = value >> 24;
}

/** Returns whether a 64-bit immediate load is at an index; not checked. */
export function isLoad64(code: Uint8Array, index: number): boolean {
  return opcodeOf(code, index) === Opcode.loadImmediate64;
}

/** Returns whether a call of a subprogram is at an index; not checked. */
export function isSubprogramCall(code: Uint8Array, index: number): boolean {
  const at = index * INSTRUCTION_SIZE;
  return code[at] === Opcode.call && code[at + 1] === Pseudo.call << 4 && code[at + 2] === 0 &&
    code[at + 3] === 0;
}

/** Returns whether a subprogram's address is loaded at an index; not checked. */
export function isSubprogramAddress(code: Uint8Array, index: number): boolean {
  return isLoad64(code, index) && sourceOf(code, index) === Pseudo.func;
}

/**
 * Converts the code of a big-endian object: numbers become little-endian, and the destination register moves
 * to the low four bits.
 */
export function toLittleEndian(code: Uint8Array): Uint8Array<ArrayBuffer> {
  const swapped = new Uint8Array(code.length);
  for (let at = 0; at + INSTRUCTION_SIZE <= code.length; at += INSTRUCTION_SIZE) {
    const registers = code[at + 1] as number;
    swapped[at] = code[at] as number;
    swapped[at + 1] = registers >> 4 | registers << 4;
    swapped[at + 2] = code[at + 3] as number;
    swapped[at + 3] = code[at + 2] as number;
    swapped[at + 4] = code[at + 7] as number;
    swapped[at + 5] = code[at + 6] as number;
    swapped[at + 6] = code[at + 5] as number;
    swapped[at + 7] = code[at + 4] as number;
  }
  return swapped;
}
