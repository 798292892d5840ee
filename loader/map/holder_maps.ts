/**
 * Maps whose values are programs, maps, sockets, cgroups or perf events.
 *
 * @module
 */

import type { AnyMap } from "./any_map.ts";
import { KeyedMap } from "./keyed_map.ts";
import type { LiveMap } from "./live_map.ts";
import type { MapParts } from "./parts.ts";
import type { HasDescriptor } from "./values.ts";

/**
 * A map of programs, sockets, cgroups or perf events. Values are set as descriptors, or as objects with an `fd`;
 * reads return ids (cookies for sockets).
 *
 * @typeParam K The type of keys.
 * @typeParam Id The type of ids: a number, or a bigint for values of eight bytes.
 */
export class DescriptorMap<K, Id extends number | bigint = number>
  extends KeyedMap<K, Id, number | HasDescriptor> {}

/**
 * A map of maps. Values are set as maps or descriptors; reads return map ids.
 *
 * @typeParam K The type of keys.
 * @typeParam Inner The class of the inner maps.
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
   * Takes ownership of the parts' descriptor; `open` opens a map by its id.
   *
   * @internal
   */
  constructor(parts: MapParts, open: (id: number) => LiveMap) {
    super(parts);
    this.#open = open;
  }

  /**
   * Opens the inner map of a key by its id, which needs CAP_SYS_ADMIN. Returns undefined when the key has none.
   *
   * @throws {KernelError} when the kernel refuses to open it.
   */
  openInner(key: K): Inner | undefined {
    const id = this.get(key);
    return id === undefined ? undefined : this.#open(id) as Inner;
  }
}
