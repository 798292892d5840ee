/**
 * Poison: what stands in linked code for something that is not there.
 *
 * It is a call of a helper that no kernel has. Code that is never reached may keep it; code that is
 * reached is refused by the verifier, with a number that says what was missing. The numbers are
 * libbpf's.
 *
 * @module
 */

import { CORE_POISON } from "../../btf/core/mod.ts";
import { INSTRUCTION_SIZE, Opcode, setImmediate } from "./instruction.ts";

/** Helper numbers from here on: a map that was not created; the map's index is added. */
const MAP_POISON: number = 2_001_000_000;
/** Helper numbers from here on: a kfunc that the kernel does not have; the extern's index is added. */
const KFUNC_POISON: number = 2_002_000_000;

/** Numbers that are not so high that they mean something else. */
const POISON_RANGE = 1_000_000;

/** What the poison in some code stands for. */
export type Poison =
  | { readonly kind: "core" }
  | { readonly kind: "map"; readonly index: number }
  | { readonly kind: "kfunc"; readonly index: number };

/** What a helper's number stands for when it is poison. */
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

/** Replaces both halves of a 64-bit load by the poison of a map that was not created. */
export function poisonMap(code: Uint8Array, instruction: number, mapIndex: number): void {
  for (const half of [instruction, instruction + 1]) {
    writeCall(code, half, MAP_POISON + mapIndex);
  }
}

/** Replaces a call by the poison of a kernel function that was not found. */
export function poisonKfunc(code: Uint8Array, instruction: number, externIndex: number): void {
  writeCall(code, instruction, KFUNC_POISON + externIndex);
}

function writeCall(code: Uint8Array, instruction: number, helper: number): void {
  const at = instruction * INSTRUCTION_SIZE;
  code.fill(0, at, at + INSTRUCTION_SIZE);
  code[at] = Opcode.call;
  setImmediate(code, instruction, helper);
}
