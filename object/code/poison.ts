/**
 * Poisons references in linked code that could not be resolved.
 *
 * Poison is a call of a helper that does not exist. Unreachable code may contain it; when the verifier
 * reaches it, it refuses the program, and the helper's number in its log identifies what is missing. The
 * numbers are libbpf's.
 *
 * @module
 */

import { CORE_POISON } from "../../btf/core/mod.ts";
import { INSTRUCTION_SIZE, Opcode, setImmediate } from "./instruction.ts";

/** First helper number for maps that were not created; the map's index is added. */
const MAP_POISON: number = 2_001_000_000;
/** First helper number for kfuncs that the kernel does not have; the extern's index is added. */
const KFUNC_POISON: number = 2_002_000_000;

/** Helper numbers per kind of poison. */
const POISON_RANGE = 1_000_000;

/** The unresolved reference that a poison call replaced. */
export type Poison =
  | { readonly kind: "core" }
  | { readonly kind: "map"; readonly index: number }
  | { readonly kind: "kfunc"; readonly index: number };

/** Decodes a helper's number; undefined when it is not poison. */
export function poisonOf(helper: number): Poison | undefined {
  if (helper === CORE_POISON) return { kind: "core" };
  if (helper >= MAP_POISON && helper < MAP_POISON + POISON_RANGE) {
    return { kind: "map", index: helper - MAP_POISON };
  }
  if (helper >= KFUNC_POISON && helper < KFUNC_POISON + POISON_RANGE) {
    return { kind: "kfunc", index: helper - KFUNC_POISON };
  }
  return undefined;
}

/** Replaces both halves of a 64-bit load by poison for a map that was not created. */
export function poisonMap(code: Uint8Array, instruction: number, mapIndex: number): void {
  for (const half of [instruction, instruction + 1]) {
    writeCall(code, half, MAP_POISON + mapIndex);
  }
}

/** Replaces a call by poison for a kernel function that was not found. */
export function poisonKfunc(code: Uint8Array, instruction: number, externIndex: number): void {
  writeCall(code, instruction, KFUNC_POISON + externIndex);
}

function writeCall(code: Uint8Array, instruction: number, helper: number): void {
  const at = instruction * INSTRUCTION_SIZE;
  code.fill(0, at, at + INSTRUCTION_SIZE);
  code[at] = Opcode.call;
  setImmediate(code, instruction, helper);
}
