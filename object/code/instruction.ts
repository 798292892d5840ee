/**
 * BPF instructions: eight bytes each, kept little-endian whatever the object's byte order.
 *
 * @module
 */

import { ObjectError } from "../spec/error.ts";

/** Bytes of one instruction. */
export const INSTRUCTION_SIZE: number = 8;

/** The lowest three bits of an opcode: its class. */
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

/** Opcodes that a loader looks for. */
export const Opcode = {
  /** The first half of a 64-bit immediate load, which takes two instructions. */
  loadImmediate64: 0x18,
  /** A call of a helper, a kfunc or a subprogram. */
  call: 0x85,
  /** The end of a function. */
  exit: 0x95,
} as const;

/** What the source register of a call or of a 64-bit immediate load means. */
export const Pseudo = {
  /** Load: the immediate is a map's descriptor. */
  mapFd: 1,
  /** Load: a map's descriptor and an offset within its only value. */
  mapValue: 2,
  /** Load: a type id in the kernel's BTF and that BTF's descriptor. */
  btfId: 3,
  /** Load: the distance to a subprogram, whose address is taken. */
  func: 4,
  /** Load: an index into the descriptor array. */
  mapIndex: 5,
  /** Load: as `mapIndex`, and an offset within the map's only value. */
  mapIndexValue: 6,
  /** Call: a subprogram. */
  call: 1,
  /** Call: a kernel function. */
  kfuncCall: 2,
} as const;

/** One instruction, decoded. */
export interface Instruction {
  /** The opcode. */
  readonly opcode: number;
  /** The destination register, 0 to 15. */
  readonly destination: number;
  /** The source register, 0 to 15. */
  readonly source: number;
  /** Signed, 16 bits. */
  readonly offset: number;
  /** Signed, 32 bits. */
  readonly immediate: number;
}

/**
 * Decodes the instruction at an index.
 *
 * @throws {ObjectError} when there is none.
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

// For code that goes over many instructions: no object, no check of the index.

/** The opcode at an index; not checked. */
export function opcodeOf(code: Uint8Array, index: number): number {
  return code[index * INSTRUCTION_SIZE] as number;
}

/** The source register at an index; not checked. */
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

/** The immediate at an index, signed; not checked. */
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

/** Whether there is a 64-bit immediate load at an index; not checked. */
export function isLoad64(code: Uint8Array, index: number): boolean {
  return opcodeOf(code, index) === Opcode.loadImmediate64;
}

/** Whether there is a call of a subprogram at an index; not checked. */
export function isSubprogramCall(code: Uint8Array, index: number): boolean {
  const at = index * INSTRUCTION_SIZE;
  return code[at] === Opcode.call && code[at + 1] === Pseudo.call << 4 && code[at + 2] === 0 &&
    code[at + 3] === 0;
}

/** Whether a subprogram's address is loaded at an index; not checked. */
export function isSubprogramAddress(code: Uint8Array, index: number): boolean {
  return isLoad64(code, index) && sourceOf(code, index) === Pseudo.func;
}

/**
 * Code of a big-endian object in the form that skep keeps: numbers little-endian, the destination
 * register in the low four bits.
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
