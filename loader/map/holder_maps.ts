/**
 * Maps that hold other things: programs, maps, sockets, cgroups.
 *
 * @module
 */

import type { AnyMap } from "./any_map.ts";
import { KeyedMap } from "./keyed_map.ts";
import type { LiveMap } from "./live_map.ts";
import type { MapParts } from "./parts.ts";
import type { HasDescriptor } from "./values.ts";

/**
 * A map of programs, sockets, cgroups or perf events: things with an `fd` (or the number) are set, and ids
 * (of sockets cookies) come back.
 *
 * @typeParam K The key.
 * @typeParam Id What comes back: a number, or a bigint where values have eight bytes.
 */
export class DescriptorMap<K, Id extends number | bigint = number>
  extends KeyedMap<K, Id, number | HasDescriptor> {}

/**
 * A map of maps. Maps are set, and their ids come back.
 *
 * @typeParam K The key.
 * @typeParam Inner The maps that it holds.
 * @example
 * ```ts ignore
 * import { BpfObject, type KeyedMap, type MapOfMaps } from "@skep/skep";
 *
 * using object = await BpfObject.load("nested.bpf.o");
 * const outer = object.map<MapOfMaps<number, KeyedMap<number, bigint>>>("outer");
 * using inner = outer.openInner(0);
 * console.log(inner?.get(1));
 * ```
 */
export class MapOfMaps<K, Inner extends LiveMap = AnyMap> extends DescriptorMap<K> {
  readonly #open: (id: number) => LiveMap;

  /**
   * Takes over the parts' descriptor; `open` opens a map by its id.
   *
   * @internal
   */
  constructor(parts: MapParts, open: (id: number) => LiveMap) {
    super(parts);
    this.#open = open;
  }

  /** Opens the map under a key; undefined when there is none. Needs CAP_SYS_ADMIN. */
  openInner(key: K): Inner | undefined {
    const id = this.get(key);
    return id === undefined ? undefined : this.#open(id) as Inner;
  }
}
