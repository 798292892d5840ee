/**
 * Maps whose type the compiler does not know: all members are there.
 *
 * @module
 */

import { type AnyMap, BpfMap, type BtfValue, type MapCreateOptions } from "../../../../mod.ts";

/** Creates a map. */
export function createMap<K = BtfValue, V = BtfValue>(options: MapCreateOptions): AnyMap<K, V> {
  return BpfMap.create<K, V>(options);
}
