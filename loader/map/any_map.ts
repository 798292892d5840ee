/**
 * Type of a map whose kind is not known at compile time. It has the operations of all kinds; a call that the map's
 * type lacks is refused with a hint at the right one.
 *
 * @module
 */

import type { BtfValue } from "../../btf/codec/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { Mapping } from "../../kernel/mapping.ts";
import { type MapKind, mapTypeTraits } from "../../object/spec/map_traits.ts";
import type { RecordReader, RecordsOptions, UserRingBuffer } from "../stream/mod.ts";
import type { ElementIterator } from "./iterator.ts";
import { LiveMap } from "./live_map.ts";
import type {
  GetOptions,
  Input,
  OneCpu,
  PushOptions,
  SetOptions,
  WriterOptions,
} from "./options.ts";
import type { ChunkOptions, RawMap } from "./raw.ts";

/**
 * A map whose kind is not known at compile time, such as `object.maps.get(name)` of an object without generated
 * types. A call that the map's type lacks throws a {@linkcode SkepError} (EINVAL) that names what to use instead.
 *
 * The classes of the kinds document each member: {@linkcode KeyedMap}, {@linkcode PerCpuMap},
 * {@linkcode StorageMap}, {@linkcode MapOfMaps}, {@linkcode QueueMap}, {@linkcode BloomFilter},
 * {@linkcode RingBufferMap}, {@linkcode PerfEventArray}, {@linkcode UserRingBufferMap}, {@linkcode ArrayMap},
 * {@linkcode ArenaMap}.
 *
 * @typeParam K The type of keys.
 * @typeParam V The type of values; for per-CPU maps, the array of all CPUs' values.
 * @typeParam E The type of records of a ring or perf buffer.
 */
export interface AnyMap<K = BtfValue, V = BtfValue, E = BtfValue>
  extends LiveMap, Iterable<[K, V]> {
  /** See {@linkcode ElementMap.raw}. */
  readonly raw: RawMap;
  /** See {@linkcode ElementMap.get}. */
  get(key: Input<K>, options?: GetOptions): V | undefined;
  /** See {@linkcode ElementMap.has}. */
  has(key: Input<K>): boolean;
  /** See {@linkcode ElementMap.set}. */
  set(key: Input<K>, value: Input<V>, options?: SetOptions): this;
  /** See {@linkcode ElementMap.delete}. */
  delete(key: Input<K>): boolean;
  /** See {@linkcode KeyedMap.take}. */
  take(key: Input<K>, options?: GetOptions): V | undefined;
  /** See {@linkcode KeyedMap.entries}. */
  entries(options?: ChunkOptions): ElementIterator<[K, V]>;
  /** See {@linkcode KeyedMap.keys}. */
  keys(options?: ChunkOptions): ElementIterator<K>;
  /** See {@linkcode KeyedMap.values}. */
  values(options?: ChunkOptions): ElementIterator<V>;
  /** See {@linkcode KeyedMap.entries}. */
  [Symbol.iterator](): ElementIterator<[K, V]>;
  /** See {@linkcode KeyedMap.batches}. */
  batches(options?: ChunkOptions): Generator<[K, V][], void, undefined>;
  /** See {@linkcode KeyedMap.setAll}. */
  setAll(entries: Iterable<readonly [Input<K>, Input<V>]>, options?: SetOptions): number;
  /** See {@linkcode KeyedMap.deleteAll}. */
  deleteAll(keys: Iterable<Input<K>>): number;
  /** See {@linkcode KeyedMap.clear}. */
  clear(): number;
  /** See {@linkcode PerCpuMap.getOnCpu}. */
  getOnCpu(key: Input<K>, cpu: number): OneCpu<V> | undefined;
  /** See {@linkcode PerCpuMap.setOnCpu}. */
  setOnCpu(key: Input<K>, cpu: number, value: Input<OneCpu<V>>, options?: SetOptions): this;
  /** See {@linkcode PerCpuMap.setOnAllCpus}. */
  setOnAllCpus(key: Input<K>, value: Input<OneCpu<V>>, options?: SetOptions): this;
  /** See {@linkcode MapOfMaps.openInner}. */
  openInner(key: Input<K>): AnyMap | undefined;
  /** See {@linkcode QueueMap.push}. */
  push(value: Input<V>, options?: PushOptions): this;
  /** See {@linkcode QueueMap.pop}. */
  pop(): V | undefined;
  /** See {@linkcode QueueMap.peek}. */
  peek(): V | undefined;
  /** See {@linkcode BloomFilter.mightContain}. */
  mightContain(value: Input<V>): boolean;
  /** See {@linkcode RingBufferMap.records}. */
  records<T = E>(options?: RecordsOptions<T>): AsyncGenerator<T, void, undefined>;
  /** See {@linkcode RingBufferMap.openRecords}. */
  openRecords<T = E>(options?: RecordsOptions<T>): RecordReader<T>;
  /** See {@linkcode UserRingBufferMap.openWriter}. */
  openWriter<T = Uint8Array>(options?: WriterOptions<T>): UserRingBuffer<T>;
  /** See {@linkcode ArrayMap.mappable}. */
  readonly mappable: boolean;
  /** See {@linkcode ArrayMap.memory}. */
  readonly memory: Uint8Array<ArrayBuffer>;
  /** See {@linkcode ArrayMap.mapping}. */
  readonly mapping: Mapping;
}

/** An operation of some kinds of map. */
interface Ability {
  /** The kinds of map that have it. */
  readonly kinds: readonly MapKind[];
  /** Returns why a map of another kind lacks it; `type` is the map type with an article. */
  readonly why: (type: string) => string;
  /** Whether it is a property instead of a method. */
  readonly property?: boolean | undefined;
}

const LISTED = ["keyed", "array", "per-cpu", "descriptors", "maps", "perf"] as const;

const ELEMENTS: Ability = {
  kinds: [...LISTED, "storage"],
  why: (type) => `${type} has no keys`,
};
const RAW: Ability = {
  kinds: [...ELEMENTS.kinds, "queue", "bloom"],
  why: (type) => `${type} has no elements`,
  property: true,
};
const LIST: Ability = {
  kinds: LISTED,
  why: (type) => `the kernel cannot list the elements of ${type}`,
};
const CPUS: Ability = {
  kinds: ["per-cpu"],
  why: (type) => `${type} has one value for all CPUs`,
};
const EVENTS: Ability = {
  kinds: ["ring", "perf"],
  why: (type) => `${type} is neither a ringbuf nor a perf_event_array`,
};
const MEMORY: Ability = {
  kinds: ["array", "arena"],
  why: (type) => `the memory of ${type} cannot be mapped: it is neither an array nor an arena`,
  property: true,
};

/** Members that only some kinds of map have. A member that a map's class lacks throws. */
const abilities: { readonly [Name in Exclude<keyof AnyMap, keyof LiveMap>]: Ability } = {
  raw: RAW,
  get: ELEMENTS,
  has: ELEMENTS,
  set: ELEMENTS,
  delete: ELEMENTS,
  take: LIST,
  entries: LIST,
  keys: LIST,
  values: LIST,
  [Symbol.iterator]: LIST,
  batches: LIST,
  setAll: LIST,
  deleteAll: LIST,
  clear: LIST,
  getOnCpu: CPUS,
  setOnCpu: CPUS,
  setOnAllCpus: CPUS,
  openInner: { kinds: ["maps"], why: (type) => `${type} holds no maps` },
  push: {
    kinds: ["queue", "bloom"],
    why: (type) => `${type} is not a queue, stack or bloom_filter`,
  },
  pop: { kinds: ["queue"], why: (type) => `${type} is not a queue or stack` },
  peek: { kinds: ["queue"], why: (type) => `${type} is not a queue or stack` },
  mightContain: { kinds: ["bloom"], why: (type) => `${type} is not a bloom_filter` },
  records: EVENTS,
  openRecords: EVENTS,
  openWriter: { kinds: ["user-ring"], why: (type) => `${type} is not a user_ringbuf` },
  mappable: MEMORY,
  memory: MEMORY,
  mapping: MEMORY,
};

const KEYS = "use get(), set() and delete()";

/** Hint for each kind of map: the calls that it has. */
const instead: { readonly [Kind in MapKind]: string } = {
  keyed: KEYS,
  array: KEYS,
  "per-cpu": KEYS,
  descriptors: KEYS,
  maps: `${KEYS}, or openInner()`,
  perf: "use records()",
  storage: `${KEYS}, or an iterator program`,
  queue: "use push(), pop() and peek()",
  bloom: "use push() and mightContain()",
  ring: "read it with records()",
  "user-ring": "write it with openWriter()",
  arena: "use its memory",
};

/** Creates the error of a call that the map's type lacks. */
function misuse(map: LiveMap, name: string | symbol, ability: Ability): SkepError {
  const { kind, key } = mapTypeTraits(map.type);
  const type = typeof map.type === "number" ? `map of type ${map.type}` : map.type;
  const article = /^[aeiou]/.test(type) ? "an" : "a";
  const reason = ability === LIST && key === "none" ? ELEMENTS : ability;
  const call = typeof name === "symbol" ? "iteration" : ability.property ? name : `${name}()`;
  return new SkepError({
    doing: `use ${call} of map`,
    subject: map.name || type,
    errno: "EINVAL",
    stage: "usage",
    why: reason.why(`${article} ${type}`),
    fix: instead[kind],
    data: { type: map.type, kinds: ability.kinds },
  });
}

for (const name of Reflect.ownKeys(abilities) as (keyof typeof abilities)[]) {
  const ability = abilities[name];
  const refuse = function (this: LiveMap): never {
    throw misuse(this, name, ability);
  };
  // Classes override the members that they have; the others are inherited from the base class.
  Object.defineProperty(
    LiveMap.prototype,
    name,
    ability.property === true
      ? { get: refuse, configurable: true }
      : { value: refuse, configurable: true, writable: true },
  );
}

/**
 * Returns a map of any kind as {@linkcode AnyMap}: every member exists, in the map's class or as an inherited one
 * that throws.
 */
export function asAnyMap<K, V, E>(map: LiveMap): AnyMap<K, V, E> {
  return map as AnyMap<K, V, E>;
}
