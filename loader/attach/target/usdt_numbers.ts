/**
 * Which entries of a USDT map are in use: several attachments share one map.
 *
 * @module
 */

import type { Kernel } from "../../../kernel/kernel.ts";

const numbers = new WeakMap<Kernel, Map<number, Set<number>>>();

/** The entries of one map. */
export interface SpecNumbers {
  /** Those in use. */
  readonly used: Set<number>;
  /** Gives some back; when none is left, nothing is remembered of the map. */
  readonly release: (ids: readonly number[]) => void;
}

/** The entries of a map, by its id. Attaching is synchronous: nobody keeps an empty set for later. */
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
