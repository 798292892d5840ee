/**
 * Capabilities that the holder of a delegation can need, without an object to examine.
 *
 * @module
 */

import type { Delegation } from "./delegation.ts";
import { programTypeFacts } from "./program_types.ts";
import { BPF_CAPABILITIES, type BpfCapability, mapTypeCapabilities } from "./bpf_capability.ts";
import { MapType, ProgramType } from "../uapi/enums.ts";

/**
 * Returns the capabilities that loading and attaching the delegated types can need.
 *
 * This is an upper bound, since only a program's instructions decide whether it needs CAP_PERFMON.
 * A plan names fewer.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Delegation, delegationCapabilities } from "@skep/skep/plan";
 *
 * const maps = Delegation.of({ commands: ["map_create"], maps: ["hash"] });
 * assertEquals(delegationCapabilities(maps), ["bpf"]);
 * ```
 */
export function delegationCapabilities(delegation: Delegation): readonly BpfCapability[] {
  const found = new Set<BpfCapability>(["bpf"]);
  const has = (set: "maps" | "programs", number: number): boolean =>
    ((delegation[set] >> BigInt(number)) & 1n) === 1n;
  if (delegation.has("commands", "prog_load")) {
    // The verifier allows some instructions only with CAP_PERFMON, in every program type.
    found.add("perfmon");
    for (const type of names(ProgramType)) {
      if (!has("programs", ProgramType[type])) continue;
      const { capabilities, attachCapabilities } = programTypeFacts(type);
      for (const name of [...capabilities, ...attachCapabilities]) found.add(name);
    }
  }
  for (const type of names(MapType)) {
    if (has("maps", MapType[type])) mapTypeCapabilities(type).forEach((name) => found.add(name));
  }
  if (delegation.has("commands", "btf_get_fd_by_id")) found.add("sys_admin");
  return BPF_CAPABILITIES.filter((name) => found.has(name));
}

function names<T extends object>(table: T): (keyof T)[] {
  return Object.keys(table) as (keyof T)[];
}
