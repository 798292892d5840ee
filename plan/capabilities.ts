/**
 * The capabilities that the holder of a delegation can need, where there is no object to look at.
 *
 * @module
 */

import type { Delegation } from "./delegation.ts";
import { programTypeFacts } from "./program_types.ts";
import { BPF_CAPABILITIES, type BpfCapability, mapTypeCapabilities } from "./bpf_capability.ts";
import { MapType, ProgramType } from "../uapi/enums.ts";

/**
 * The capabilities that loading and attaching what is delegated can need: an upper bound, since only the
 * instructions of a program decide whether it needs CAP_PERFMON. A plan names fewer.
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
    // The verifier allows some instructions to holders of CAP_PERFMON alone, whatever the type.
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
