/**
 * Where an object's global variables lie in its arena.
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
 * Bytes from an arena's start to the object's globals in it, as in libbpf: the arena's last pages, so that a
 * program that hands out the arena from its start never meets them. At the start where the kernel's programs
 * do not reach so far (before Linux 7.0). 0 for an arena without globals.
 */
export function arenaGlobals(kernel: Kernel, arena: MapSpec): number {
  const inArena = originTraits[arena.origin].contents === "arena-globals";
  const size = inArena ? arena.contents?.length ?? 0 : 0;
  if (size === 0 || !features(kernel).farMapValues) return 0;
  const { pageSize } = kernel.machine;
  // Never below the start, should a user have made the arena smaller than the globals.
  return Math.max(0, mappedSize(arena, kernel.machine) - Math.ceil(size / pageSize) * pageSize);
}

/** {@linkcode arenaGlobals} of an object, which has one arena at most. */
export function arenaOffset(kernel: Kernel, spec: ObjectSpec): number {
  for (const map of spec.maps) {
    if (originTraits[map.origin].contents === "arena-globals") return arenaGlobals(kernel, map);
  }
  return 0;
}
