/**
 * Tracks the elements of USDT spec maps that are in use, since several attachments share one map.
 *
 * @module
 */

import type { Kernel } from "../../../kernel/kernel.ts";

const numbers = new WeakMap<Kernel, Map<number, Set<number>>>();

/** Elements of one map. */
export interface SpecNumbers {
  /** Indices in use. */
  readonly used: Set<number>;
  /** Releases indices, and forgets the map when none is left. */
  readonly release: (ids: readonly number[]) => void;
}

/** Returns the elements in use of a map, by its id. Attaching is synchronous, so no caller holds an empty set. */
export function numbersOf(kernel: Kernel, mapId: number): SpecNumbers {
  const maps = numbers.get(kernel) ?? new Map<number, Set<number>>();
  numbers.set(kernel, maps);
  const used = maps.get(mapId) ?? new Set<number>();
  maps.set(mapId, used);
  return {
    used,
    release: (ids) => {
      for (const id of ids) used.delete(id);
      if (used.size === 0 && maps.get(mapId) === used) maps.delete(mapId);
    },
  };
}
