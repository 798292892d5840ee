/**
 * Finds the struct member that each struct_ops program implements; the kernel compares its index
 * with `delegate_attachs`.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import { essentialName } from "../btf/essential_name.ts";
import type { CompositeType } from "../btf/types.ts";
import type { MapSpec } from "../object/spec/spec.ts";
import type { Plannable } from "./plannable.ts";

/** A member of a struct_ops struct. */
export interface StructOpsMember {
  /** Its index in the struct. */
  readonly index: number;
  /** Name of the struct. */
  readonly struct: string;
  /** Name of the member. */
  readonly name: string;
  /** Whether the index is from the kernel's struct rather than the object's. */
  readonly certain: boolean;
}

/** Returns the members by the names of the programs that implement them. */
export function structOpsMembers(
  object: Plannable,
  maps: readonly MapSpec[],
  kernelBtf: Btf | undefined,
): Map<string, StructOpsMember> {
  const members = new Map<string, StructOpsMember>();
  const { btf } = object;
  if (btf === undefined) return members;
  for (const map of maps) {
    if (map.structOps === undefined) continue;
    const own = btf.type(btf.resolve(map.structOps.typeId));
    if (own.kind !== "struct") continue;
    const struct = essentialName(own.name);
    const theirs = kernelBtf === undefined ? undefined : structOf(kernelBtf, struct);
    const kernel = theirs ?? own;
    for (const { member, program } of map.structOps.programs()) {
      const index = kernel.members.findIndex(({ name }) => name === member);
      // Without the member in the kernel, the program is not loaded.
      if (index >= 0) {
        members.set(program, { index, struct, name: member, certain: theirs !== undefined });
      }
    }
  }
  return members;
}

function structOf(btf: Btf, name: string): CompositeType | undefined {
  const id = btf.find(name, "struct");
  const type = id === undefined ? undefined : btf.type(id);
  return type?.kind === "struct" ? type : undefined;
}
