/**
 * What a loader writes into linked code once descriptors and addresses are known, and the poison
 * that stands for what is not there.
 *
 * Poison is a call of a helper that no kernel has: code that is never reached may keep it, code that
 * is reached is refused by the verifier with a number that says what was missing.
 *
 * @module
 */

import { CORE_POISON } from "../btf/core/patch.ts";
import {
  immediateOf,
  INSTRUCTION_SIZE,
  Opcode,
  opcodeOf,
  Pseudo,
  setImmediate,
  setOffset,
  setSource,
} from "./instruction.ts";

export { CORE_POISON };

/** Helper numbers from here on: a map that was not created; the map's index is added. */
export const MAP_POISON = 2_001_000_000;
/** Helper numbers from here on: a kfunc that the kernel does not have; the extern's index is added. */
export const KFUNC_POISON = 2_002_000_000;

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

/** Makes a 64-bit load load a map. */
export function patchMap(code: Uint8Array, instruction: number, fd: number): void {
  setSource(code, instruction, Pseudo.mapFd);
  setImmediate(code, instruction, fd);
}

/** Makes a 64-bit load load the address of a place in a map's only value. */
export function patchMapValue(
  code: Uint8Array,
  instruction: number,
  fd: number,
  offset: number,
): void {
  setSource(code, instruction, Pseudo.mapValue);
  setImmediate(code, instruction, fd);
  setImmediate(code, instruction + 1, offset);
}

/** Makes a 64-bit load load the address of a variable in the kernel's or a module's BTF. */
export function patchTypedKsym(
  code: Uint8Array,
  instruction: number,
  typeId: number,
  btfFd: number,
): void {
  setSource(code, instruction, Pseudo.btfId);
  setImmediate(code, instruction, typeId);
  setImmediate(code, instruction + 1, btfFd);
}

/** Makes a 64-bit load load an address; 0n for a weak symbol that is not there. */
export function patchAddress(code: Uint8Array, instruction: number, address: bigint): void {
  setImmediate(code, instruction, Number(BigInt.asIntN(32, address)));
  setImmediate(code, instruction + 1, Number(BigInt.asIntN(32, address >> 32n)));
}

/** Makes a call call a kernel function; `fdIndex` is the place of its BTF in the descriptor array, 0 for the kernel's own. */
export function patchKfunc(
  code: Uint8Array,
  instruction: number,
  typeId: number,
  fdIndex: number,
): void {
  setSource(code, instruction, Pseudo.kfuncCall);
  setImmediate(code, instruction, typeId);
  setOffset(code, instruction, fdIndex);
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

/** probe_read of the kernel's and the user's memory, and what there was before Linux 5.5. */
const OLD_HELPERS = new Map([[112, 4], [113, 4], [114, 45], [115, 45]]);

/** For kernels before 5.5: calls of `probe_read_kernel` and its like become `probe_read`. Says how many. */
export function useOldProbeRead(code: Uint8Array): number {
  let count = 0;
  for (let index = 0; index * INSTRUCTION_SIZE < code.length; index++) {
    if (opcodeOf(code, index) !== Opcode.call || code[index * INSTRUCTION_SIZE + 1] !== 0) continue;
    const old = OLD_HELPERS.get(immediateOf(code, index));
    if (old === undefined) continue;
    setImmediate(code, index, old);
    count++;
  }
  return count;
}
