/**
 * Placement of an object's global variables in its arena.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { ObjectSpec } from "../../object/object_spec.ts";
import type { MapSpec } from "../../object/spec/spec.ts";
import { features } from "../features/features.ts";
import { mappedSize } from "../../object/spec/map_rules.ts";
import { originTraits } from "../../object/spec/map_traits.ts";

/**
 * Returns the offset in bytes of the object's globals in an arena.
 *
 * They take the arena's last pages, as in libbpf, so that a program that allocates from the start does not reach
 * them. Before Linux 7.0, where direct map-value addresses reach only 512 MiB, they are at the start. Returns 0
 * for an arena without globals.
 */
export function arenaGlobals(kernel: Kernel, arena: MapSpec): number {
  const inArena = originTraits[arena.origin].contents === "arena-globals";
  const size = inArena ? arena.contents?.length ?? 0 : 0;
  if (size === 0 || !features(kernel).farMapValues) return 0;
  const { pageSize } = kernel.machine;
  // A user may have made the arena smaller than the globals.
  return Math.max(0, mappedSize(arena, kernel.machine) - Math.ceil(size / pageSize) * pageSize);
}

/** Returns {@linkcode arenaGlobals} for the object's arena (an object has at most one), or 0 without one. */
export function arenaOffset(kernel: Kernel, spec: ObjectSpec): number {
  for (const map of spec.maps) {
    if (originTraits[map.origin].contents === "arena-globals") return arenaGlobals(kernel, map);
  }
  return 0;
}
