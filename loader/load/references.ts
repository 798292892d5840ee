/**
 * Writes descriptors, addresses and BTF type ids into relocated instructions: the last step before BPF_PROG_LOAD.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import {
  INSTRUCTION_SIZE,
  Pseudo,
  setImmediate,
  setOffset,
  setSource,
} from "../../object/code/instruction.ts";
import { poisonKfunc, poisonMap } from "../../object/code/poison.ts";
import type { Reference, RelocatedProgram } from "../../object/spec/spec.ts";

/** Target of a resolved extern. */
export type ExternTarget =
  | { readonly kind: "address"; readonly address: bigint }
  | { readonly kind: "variable"; readonly typeId: number; readonly btfFd: number }
  | {
    readonly kind: "kfunc";
    readonly typeId: number;
    readonly descriptorIndex: number;
    readonly btfFd: number;
  }
  | { readonly kind: "kconfig"; readonly map: number; readonly offset: number }
  | { readonly kind: "missing"; readonly index: number };

/** Resolves the references of a program. */
export interface ReferenceTargets {
  /** Returns a map's descriptor, or its index in the object when it was not created. */
  map(name: string): { readonly fd: number } | { readonly missing: number };
  /** Returns the target of an extern. */
  extern(name: string): ExternTarget;
  /** Returns the descriptor of the instruction array map of a jump table. */
  jumpTable(reference: Reference & { kind: "jumptable" }): number;
}

/**
 * Returns the program's instructions with every reference resolved; a copy if the program has references.
 *
 * References to maps and kfuncs that do not exist become poison, which the verifier refuses only if it reaches it.
 *
 * @throws {SkepError} EINVAL when a reference lies past the end of the code.
 */
export function resolveReferences(
  linked: RelocatedProgram,
  targets: ReferenceTargets,
): Uint8Array<ArrayBuffer> {
  if (linked.references.length === 0) return linked.instructions;
  const code = linked.instructions.slice();
  const count = code.length / INSTRUCTION_SIZE;
  for (const reference of linked.references) {
    const size = reference.kind === "kfunc" ? 1 : 2;
    if (reference.instruction + size > count) throw outside(linked, reference);
    patch(code, reference, targets);
  }
  return code;
}

function patch(code: Uint8Array, reference: Reference, targets: ReferenceTargets): void {
  const at = reference.instruction;
  switch (reference.kind) {
    case "map":
    case "map-value": {
      const map = targets.map(reference.map);
      if ("missing" in map) return poisonMap(code, at, map.missing);
      if (reference.kind === "map-value") {
        return setLoad(code, at, Pseudo.mapValue, map.fd, reference.offset);
      }
      setSource(code, at, Pseudo.mapFd);
      return setImmediate(code, at, map.fd);
    }
    case "jumptable":
      return setLoad(code, at, Pseudo.mapValue, targets.jumpTable(reference), 0);
    case "ksym":
      return patchSymbol(code, at, targets.extern(reference.extern));
    case "kfunc":
      return patchCall(code, at, targets.extern(reference.extern));
  }
}

function patchSymbol(code: Uint8Array, at: number, target: ExternTarget): void {
  switch (target.kind) {
    // A load of a kfunc's address: programs compare it with 0 to test whether the kfunc exists.
    case "kfunc":
    case "variable":
      return setLoad(code, at, Pseudo.btfId, target.typeId, target.btfFd);
    case "kconfig":
      return setLoad(code, at, Pseudo.mapValue, target.map, target.offset);
    default: {
      const address = target.kind === "address" ? target.address : 0n;
      setImmediate(code, at, Number(BigInt.asIntN(32, address)));
      setImmediate(code, at + 1, Number(BigInt.asIntN(32, address >> 32n)));
    }
  }
}

function patchCall(code: Uint8Array, at: number, target: ExternTarget): void {
  if (target.kind !== "kfunc") {
    return poisonKfunc(code, at, target.kind === "missing" ? target.index : 0);
  }
  setSource(code, at, Pseudo.kfuncCall);
  setOffset(code, at, target.descriptorIndex);
  setImmediate(code, at, target.typeId);
}

/** Fills in a 64-bit load: its pseudo source register and both immediates. */
function setLoad(code: Uint8Array, at: number, source: number, low: number, high: number): void {
  setSource(code, at, source);
  setImmediate(code, at, low);
  setImmediate(code, at + 1, high);
}

function outside(linked: RelocatedProgram, reference: Reference): SkepError {
  return new SkepError({
    doing: "relocate program",
    subject: linked.program.name,
    errno: "EINVAL",
    stage: "relocate",
    why: `a reference is at instruction ${reference.instruction}, past the program's end`,
  });
}
