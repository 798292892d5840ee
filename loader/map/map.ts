/**
 * Creates and opens maps, and selects the class of a map by its type.
 *
 * @module
 */

import type { BtfValue } from "../../btf/codec/mod.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { type MapKind, type MapTypesOf, mapTypeTraits } from "../../object/spec/map_traits.ts";
import { type AnyMap, asAnyMap } from "./any_map.ts";
import { createNewMap, type MapCreateOptions } from "./create.ts";
import { StorageMap } from "./element_map.ts";
import { PerfEventArray, RingBufferMap, UserRingBufferMap } from "./event_maps.ts";
import { DescriptorMap, MapOfMaps } from "./holder_maps.ts";
import { KeyedMap } from "./keyed_map.ts";
import { LiveMap } from "./live_map.ts";
import { ArenaMap, ArrayMap } from "./memory_maps.ts";
import { openMap } from "./open.ts";
import type { MapParts } from "./parts.ts";
import { PerCpuMap } from "./per_cpu_map.ts";
import { BloomFilter, QueueMap } from "./queue_maps.ts";

/** Constructors of the classes for each kind of map. */
const classes: { readonly [Kind in MapKind]: (parts: MapParts) => LiveMap } = {
  keyed: (parts) => new KeyedMap(parts),
  array: (parts) => new ArrayMap(parts),
  "per-cpu": (parts) => new PerCpuMap(parts),
  descriptors: (parts) => new DescriptorMap(parts),
  maps: (parts) => new MapOfMaps(parts, (id) => liveMap(openMap(id, parts.kernel))),
  storage: (parts) => new StorageMap(parts),
  queue: (parts) => new QueueMap(parts),
  bloom: (parts) => new BloomFilter(parts),
  ring: (parts) => new RingBufferMap(parts),
  perf: (parts) => new PerfEventArray(parts),
  "user-ring": (parts) => new UserRingBufferMap(parts),
  arena: (parts) => new ArenaMap(parts),
};

/** Creates a live map of the class for its type. Takes ownership of the parts' descriptor. */
export function liveMap<K = BtfValue, V = BtfValue, E = BtfValue>(
  parts: MapParts,
): AnyMap<K, V, E> {
  return asAnyMap(classes[mapTypeTraits(parts.type).kind](parts));
}

/** Options of opening a map. */
export interface MapOpenOptions {
  /**
   * The kernel that has it.
   *
   * @default the kernel that this process runs on
   */
  readonly kernel?: Kernel | undefined;
  /** Descriptor of a token that delegates opening the map's BTF by id (Linux 6.15). */
  readonly tokenFd?: number | undefined;
}

/**
 * A map in the kernel. Creates and opens maps, and has the operations of every map.
 *
 * The class of each kind has the operations on elements, records or memory: {@linkcode KeyedMap},
 * {@linkcode PerCpuMap}, {@linkcode StorageMap}, {@linkcode DescriptorMap}, {@linkcode MapOfMaps},
 * {@linkcode QueueMap}, {@linkcode BloomFilter}, {@linkcode RingBufferMap}, {@linkcode PerfEventArray},
 * {@linkcode UserRingBufferMap}, {@linkcode ArrayMap}, {@linkcode ArenaMap}. {@linkcode AnyMap} is the type of a
 * map whose kind is not known at compile time.
 *
 * @example
 * ```ts ignore
 * import { BpfMap, BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("xdp_count.bpf.o");
 * const counts = object.maps.get("counts");
 * for (const [key, perCpu] of counts) console.log(key, perCpu);
 *
 * using seen = BpfMap.create<number, bigint>({
 *   type: "hash",
 *   keySize: 4,
 *   valueSize: 8,
 *   maxEntries: 1000,
 * });
 * seen.set(7, 1n);
 * ```
 */
export abstract class BpfMap extends LiveMap {
  /** Creates a map whose elements have keys, such as a hash or a trie. */
  static create<K = BtfValue, V = BtfValue>(
    options: MapCreateOptions<MapTypesOf<"keyed">>,
  ): KeyedMap<K, V>;
  /** Creates an array; with BPF_F_MMAPABLE its memory can be mapped. */
  static create<K = BtfValue, V = BtfValue>(
    options: MapCreateOptions<MapTypesOf<"array">>,
  ): ArrayMap<K, V>;
  /** Creates a per-CPU map. */
  static create<K = BtfValue, V = BtfValue>(
    options: MapCreateOptions<MapTypesOf<"per-cpu">>,
  ): PerCpuMap<K, V>;
  /** Creates a map of programs, sockets or cgroups. */
  static create<K = BtfValue, Id extends number | bigint = number>(
    options: MapCreateOptions<MapTypesOf<"descriptors">>,
  ): DescriptorMap<K, Id>;
  /** Creates a map of maps. */
  static create<K = BtfValue, Inner extends LiveMap = AnyMap>(
    options: MapCreateOptions<MapTypesOf<"maps">>,
  ): MapOfMaps<K, Inner>;
  /** Creates a local storage map. */
  static create<V = BtfValue>(options: MapCreateOptions<MapTypesOf<"storage">>): StorageMap<V>;
  /** Creates a queue or a stack. */
  static create<V = BtfValue>(options: MapCreateOptions<MapTypesOf<"queue">>): QueueMap<V>;
  /** Creates a bloom filter. */
  static create<V = BtfValue>(options: MapCreateOptions<MapTypesOf<"bloom">>): BloomFilter<V>;
  /** Creates a ring buffer. */
  static create<E = BtfValue>(options: MapCreateOptions<MapTypesOf<"ring">>): RingBufferMap<E>;
  /** Creates a perf event array. */
  static create<E = BtfValue>(options: MapCreateOptions<MapTypesOf<"perf">>): PerfEventArray<E>;
  /** Creates a user ring buffer. */
  static create<E = Uint8Array>(
    options: MapCreateOptions<MapTypesOf<"user-ring">>,
  ): UserRingBufferMap<E>;
  /** Creates an arena. */
  static create(options: MapCreateOptions<MapTypesOf<"arena">>): ArenaMap;
  /**
   * Creates a map that no object describes, such as an inner map of a map of maps.
   *
   * @throws {SkepError} ENOENT when `types` names a type that its BTF lacks.
   * @throws {DelegationError} when the token does not delegate what the map needs.
   * @throws {KernelError} when the kernel refuses the map otherwise.
   */
  static create<K = BtfValue, V = BtfValue>(options: MapCreateOptions): AnyMap<K, V>;
  static create(options: MapCreateOptions): unknown {
    return liveMap(createNewMap(options.kernel ?? linuxKernel(), options));
  }

  /**
   * Opens an existing map by id, or by the path of its pin. Its types come from the map's BTF, if the kernel
   * permits opening that.
   *
   * @typeParam M The class of the map as the caller states it; not checked.
   * @throws {KernelError} when the map cannot be opened.
   * @example
   * ```ts ignore
   * import { BpfMap, type KeyedMap } from "@skep/skep";
   *
   * using counts = BpfMap.open<KeyedMap<number, bigint>>("/sys/fs/bpf/counts");
   * console.log(counts.get(7));
   * ```
   */
  static open<M extends LiveMap = AnyMap>(
    which: number | string,
    { kernel = linuxKernel(), tokenFd }: MapOpenOptions = {},
  ): M {
    const map: LiveMap = liveMap(openMap(which, kernel, tokenFd));
    return map as M;
  }

  /** Returns whether a value is a live map of any kind. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof LiveMap;
  }
}
