/**
 * Patches instructions according to decisions.
 *
 * @module
 */

import type { CoreValue } from "./outcome.ts";
import type { CoreDecision } from "./decision.ts";
import { coreError } from "./spec.ts";

/** The helper number that a poisoned instruction calls: 0xbad2310, "bad relo". */
export const CORE_POISON = 195896080;

const CLASS_LD = 0;
const CLASS_LDX = 1;
const CLASS_ST = 2;
const CLASS_STX = 3;
const CLASS_ALU = 4;
const CLASS_ALU64 = 7;
const SOURCE_REGISTER = 0x08;
const LOAD_IMMEDIATE_64 = 0x18;
const CALL = 0x85;
const MODE_MASK = 0xe0;
const SIZE_MASK = 0x18;
const CLASS_MASK = 0x07;
/** Sizes in bytes by the size bits of a load or store. */
const SIZES: { readonly [bits: number]: number } = { 0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8 };
/** Size bits by size in bytes. */
const SIZE_BITS: { readonly [bytes: number]: number } = { 4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18 };

/**
 * Patches one instruction according to a decision.
 *
 * `code` holds little-endian instructions of eight bytes; `instruction` is an index into it.
 *
 * @throws {BtfError} EINVAL when the instruction cannot be relocated or does not hold the value that clang
 * wrote, ERANGE when the offset exceeds that of a load or store.
 */
export function applyCore(code: Uint8Array, instruction: number, decision: CoreDecision): void {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const at = instruction * 8;
  const opcode = at >= 0 && at + 8 <= code.length ? view.getUint8(at) : undefined;
  if (opcode === undefined) {
    throw refuse(decision, instruction, "the instruction is past the end of the program");
  }
  const wide = opcode === LOAD_IMMEDIATE_64;
  if (wide && at + 16 > code.length) {
    throw refuse(decision, instruction, "the second half of the instruction is missing");
  }
  const { outcome } = decision;
  if (outcome.kind === "poison") return poison(view, at, wide);
  switch (opcode & CLASS_MASK) {
    case CLASS_ALU:
    case CLASS_ALU64:
      if ((opcode & SOURCE_REGISTER) !== 0) {
        throw refuse(
          decision,
          instruction,
          "arithmetic between registers has no value to relocate",
        );
      }
      check(decision, instruction, outcome, view.getInt32(at + 4, true));
      return view.setInt32(at + 4, lowWord(outcome.value), true);
    case CLASS_LDX:
    case CLASS_ST:
    case CLASS_STX:
      return patchAccess(view, at, opcode, instruction, decision, outcome);
    case CLASS_LD:
      if (wide) return patchWide(view, at, instruction, decision, outcome);
  }
  throw refuse(decision, instruction, `opcode 0x${opcode.toString(16)} cannot be relocated`);
}

function patchAccess(
  view: DataView,
  at: number,
  opcode: number,
  instruction: number,
  decision: CoreDecision,
  outcome: CoreValue,
): void {
  check(decision, instruction, outcome, view.getInt16(at + 2, true));
  if (outcome.value < 0 || outcome.value > 32767) {
    throw refuse(
      decision,
      instruction,
      `offset ${outcome.value} is past the 32767 that a load or store can reach`,
      "ERANGE",
    );
  }
  if (outcome.sizeMismatch) return poison(view, at, false);
  view.setInt16(at + 2, Number(outcome.value), true);
  if (outcome.size === outcome.originalSize) return;
  const width = SIZES[opcode & SIZE_MASK];
  if (width !== outcome.originalSize) {
    throw refuse(
      decision,
      instruction,
      `it accesses ${width} bytes where the object's definition has ${outcome.originalSize}`,
    );
  }
  const bits = SIZE_BITS[outcome.size];
  if (bits === undefined) {
    throw refuse(decision, instruction, `no load or store accesses ${outcome.size} bytes`);
  }
  view.setUint8(at, (opcode & (MODE_MASK | CLASS_MASK)) | bits);
}

function patchWide(
  view: DataView,
  at: number,
  instruction: number,
  decision: CoreDecision,
  outcome: CoreValue,
): void {
  // The first half has no source register and no offset; opcode, registers and offset of the second half
  // are 0.
  const plain = (view.getUint8(at + 1) & 0xf0) === 0 && view.getInt16(at + 2, true) === 0 &&
    view.getUint32(at + 8, true) === 0;
  if (!plain) {
    throw refuse(decision, instruction, "it is not a plain load of a 64-bit constant");
  }
  const [low, high] = [view.getInt32(at + 4, true), view.getInt32(at + 12, true)];
  if (
    outcome.validate &&
    (low !== lowWord(outcome.original) || high !== highWord(outcome.original))
  ) {
    const found = BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low >>> 0));
    throw unexpected(decision, instruction, outcome, found);
  }
  view.setInt32(at + 4, lowWord(outcome.value), true);
  view.setInt32(at + 12, highWord(outcome.value), true);
}

function check(
  decision: CoreDecision,
  instruction: number,
  outcome: CoreValue,
  found: number,
): void {
  if (outcome.validate && found !== outcome.original) {
    throw unexpected(decision, instruction, outcome, found);
  }
}

function unexpected(
  decision: CoreDecision,
  instruction: number,
  outcome: CoreValue,
  found: number | bigint,
): Error {
  return refuse(
    decision,
    instruction,
    `it holds ${found} where ${outcome.original} was expected`,
  );
}

function poison(view: DataView, at: number, wide: boolean): void {
  for (let half = at; half <= (wide ? at + 8 : at); half += 8) {
    view.setUint32(half, CALL, true);
    view.setInt32(half + 4, CORE_POISON, true);
  }
}

function lowWord(value: number | bigint): number {
  if (typeof value === "bigint") return Number(BigInt.asIntN(32, value));
  // Above 2^53 a number would not be exact; below it, `| 0` is modulo 2^32.
  return value | 0;
}

function highWord(value: number | bigint): number {
  if (typeof value === "bigint") return Number(BigInt.asIntN(32, value >> 32n));
  return Math.floor(value / 0x1_0000_0000) | 0;
}

function refuse(
  decision: CoreDecision,
  instruction: number,
  why: string,
  errno = "EINVAL",
): Error {
  return coreError(`${decision.localSpec} at instruction ${instruction}`, why, errno);
}
