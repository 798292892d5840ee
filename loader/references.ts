/**
 * Puts descriptors, addresses and type ids into linked instructions: the last step before a load.
 *
 * @module
 */

import { SkepError } from "../elf/error.ts";
import type { LinkedProgram, Reference } from "../object/spec.ts";

/** BPF_PSEUDO_MAP_FD: ldimm64 of a map's descriptor. */
const PSEUDO_MAP_FD = 1;
/** BPF_PSEUDO_MAP_VALUE: ldimm64 of an address within the one value of an array. */
const PSEUDO_MAP_VALUE = 2;
/** BPF_PSEUDO_BTF_ID: ldimm64 of a kernel variable. */
const PSEUDO_BTF_ID = 3;
/** BPF_PSEUDO_KFUNC_CALL. */
const PSEUDO_KFUNC_CALL = 2;
/** BPF_JMP | BPF_CALL. */
const CALL = 0x85;

/** A call of this plus a map's index stands for a map that was not created (libbpf's number). */
export const POISON_MAP_BASE = 2001000000;
/** A call of this plus an extern's index stands for a kfunc that was not found (libbpf's number). */
export const POISON_KFUNC_BASE = 2002000000;
/** A call of this stands for a CO-RE relocation that has no answer here: 0xbad2310. */
export const POISON_CORE = 195896080;

/** What an extern turned out to be. */
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

/** Where references lead. */
export interface ReferenceTargets {
  /** A map's descriptor, or its index in the object when it was not created. */
  map(name: string): { readonly fd: number } | { readonly missing: number };
  /** What an extern turned out to be. */
  extern(name: string): ExternTarget;
  /** The descriptor of an instruction array for a jump table. */
  jumpTable(reference: Reference & { kind: "jumptable" }): number;
}

/** The program's instructions with every reference resolved: a copy. */
export function resolveReferences(
  linked: LinkedProgram,
  targets: ReferenceTargets,
): Uint8Array<ArrayBuffer> {
  if (linked.references.length === 0) return linked.instructions;
  const code = linked.instructions.slice();
  const view = new DataView(code.buffer);
  for (const reference of linked.references) {
    const at = reference.instruction * 8;
    if (at + (reference.kind === "kfunc" ? 8 : 16) > code.length) {
      throw outside(linked, reference);
    }
    patch(view, at, reference, targets);
  }
  return code;
}

function patch(
  view: DataView,
  at: number,
  reference: Reference,
  targets: ReferenceTargets,
): void {
  switch (reference.kind) {
    case "map":
    case "map-value": {
      const map = targets.map(reference.map);
      if ("missing" in map) return poisonMap(view, at, map.missing);
      const pseudo = reference.kind === "map" ? PSEUDO_MAP_FD : PSEUDO_MAP_VALUE;
      setSource(view, at, pseudo);
      view.setInt32(at + 4, map.fd, true);
      if (reference.kind === "map-value") view.setUint32(at + 12, reference.offset >>> 0, true);
      return;
    }
    case "jumptable":
      setSource(view, at, PSEUDO_MAP_VALUE);
      view.setInt32(at + 4, targets.jumpTable(reference), true);
      return view.setUint32(at + 12, 0, true);
    case "ksym":
      return patchSymbol(view, at, targets.extern(reference.extern));
    case "kfunc":
      return patchCall(view, at, targets.extern(reference.extern));
  }
}

function patchSymbol(view: DataView, at: number, target: ExternTarget): void {
  switch (target.kind) {
    // Of a kfunc this is the address, which programs compare with 0 to see whether it is there.
    case "kfunc":
    case "variable":
      setSource(view, at, PSEUDO_BTF_ID);
      view.setUint32(at + 4, target.typeId, true);
      return view.setInt32(at + 12, target.btfFd, true);
    case "kconfig":
      setSource(view, at, PSEUDO_MAP_VALUE);
      view.setInt32(at + 4, target.map, true);
      return view.setUint32(at + 12, target.offset, true);
    default: {
      const address = target.kind === "address" ? target.address : 0n;
      view.setUint32(at + 4, Number(address & 0xffffffffn), true);
      view.setUint32(at + 12, Number((address >> 32n) & 0xffffffffn), true);
    }
  }
}

function patchCall(view: DataView, at: number, target: ExternTarget): void {
  if (target.kind !== "kfunc") {
    return poison(view, at, POISON_KFUNC_BASE + (target.kind === "missing" ? target.index : 0));
  }
  setSource(view, at, PSEUDO_KFUNC_CALL);
  view.setInt16(at + 2, target.descriptorIndex, true);
  view.setUint32(at + 4, target.typeId, true);
}

function poisonMap(view: DataView, at: number, index: number): void {
  poison(view, at, POISON_MAP_BASE + index);
  poison(view, at + 8, POISON_MAP_BASE + index);
}

function poison(view: DataView, at: number, callee: number): void {
  view.setUint32(at, CALL, true);
  view.setInt32(at + 4, callee, true);
}

function setSource(view: DataView, at: number, source: number): void {
  view.setUint8(at + 1, (view.getUint8(at + 1) & 0x0f) | (source << 4));
}

function outside(linked: LinkedProgram, reference: Reference): SkepError {
  return new SkepError({
    doing: "relocate program",
    subject: linked.program.name,
    errno: "EINVAL",
    stage: "relocate",
    why: `a reference stands at instruction ${reference.instruction}, past the program's end`,
  });
}
