import { assertEquals, assertThrows } from "@std/assert";
import type { BtfValue } from "../../btf/mod.ts";
import { FakeKernel } from "../../kernel/fake/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { mapTraits } from "../../object/spec/map_traits.ts";
import { MapType, type MapTypeName } from "../../uapi/enums.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import type {
  AnyMap,
  AnyObject,
  ArenaMap,
  ArrayMap,
  BloomFilter,
  BpfObject,
  DescriptorMap,
  DeviceTarget,
  Input,
  KeyedMap,
  MapOfMaps,
  OneCpu,
  PerCpuMap,
  PerfEventArray,
  QueueMap,
  RingBufferMap,
  StorageMap,
  UserRingBufferMap,
} from "../mod.ts";
import { BpfMap, LiveMap } from "../mod.ts";
import { liveMap } from "./map.ts";

/** Never runs: `deno check` is the test. */
export function elements(
  counts: KeyedMap<number, bigint>,
  perCpu: PerCpuMap<number, bigint>,
  points: KeyedMap<{ x: number }, { y: string }>,
  devices: KeyedMap<number, DeviceTarget>,
  programs: DescriptorMap<number>,
  outer: MapOfMaps<number, KeyedMap<string, bigint>>,
  tasks: StorageMap<bigint>,
  array: ArrayMap<number, bigint>,
): void {
  counts.set(1, 1n).get(1);
  // @ts-expect-error: a value of 64 bits is a bigint
  counts.set(1, 1);
  // @ts-expect-error: a key is a number
  counts.get("1");
  // @ts-expect-error: there is no such mode
  counts.set(1, 1n, { mode: "sometimes" });
  // @ts-expect-error: a hash has one value for all CPUs
  counts.getOnCpu(1, 0);
  // @ts-expect-error: a hash is not a queue
  counts.push(1n);
  // @ts-expect-error: a hash has no records
  counts.records();
  // @ts-expect-error: a hash has no memory
  void counts.memory;
  // @ts-expect-error: a hash holds no maps
  counts.openInner(1);
  const one: bigint | undefined = perCpu.getOnCpu(1, 0);
  perCpu.setOnCpu(1, 0, one ?? 0n).setOnAllCpus(1, 0n);
  const all: bigint[] | undefined = perCpu.get(1);
  perCpu.set(1, all ?? []);
  // @ts-expect-error: set() takes the values of all CPUs
  perCpu.set(1, 1n);
  // @ts-expect-error: it takes one CPU's value
  perCpu.setOnCpu(1, 0, [1n]);
  points.set({ x: 1 }, { y: "a" });
  // @ts-expect-error: there is no such member
  points.set({ x: 1 }, { z: "a" });
  // @ts-expect-error: an object with a descriptor is not a struct
  points.set({ x: 1 }, { fd: 3 });
  devices.set(1, { ifindex: 1, program: programs });
  // @ts-expect-error: an interface must be named
  devices.set(1, { program: 3 });
  programs.set(1, counts).set(1, 3).set(1, { fd: 3 });
  // @ts-expect-error: a number alone holds no descriptor
  counts.set(1, counts);
  const inner: bigint | undefined = outer.set(1, counts).openInner(1)?.get("a");
  tasks.set({ fd: 3 }, inner ?? 0n).set(3, 1n);
  // @ts-expect-error: the kernel cannot list the elements of a local storage map
  tasks.keys();
  const bytes: Uint8Array<ArrayBuffer> = array.set(0, 1n).memory;
  void bytes;
}

/** Never runs: `deno check` is the test. */
export function others(
  queue: QueueMap<number>,
  filter: BloomFilter<bigint>,
  ring: RingBufferMap<{ comm: string }>,
  perf: PerfEventArray<{ comm: string }>,
  commands: UserRingBufferMap,
  arena: ArenaMap,
  plain: AnyMap,
): BpfMap[] {
  const next: number | undefined = queue.push(1).pop() ?? queue.peek();
  // @ts-expect-error: a queue has no keys
  queue.get(next ?? 0);
  // @ts-expect-error: a queue has no keys
  queue.set(1, 1);
  // @ts-expect-error: a queue is not a bloom filter
  queue.mightContain(1);
  filter.push(1n).mightContain(1n);
  // @ts-expect-error: values of a bloom filter cannot be read
  filter.pop();
  const events: AsyncGenerator<{ comm: string }, void, undefined> = ring.records();
  const samples: AsyncGenerator<{ comm: string }, void, undefined> = perf.records();
  // @ts-expect-error: a ring buffer has no elements
  ring.get(1);
  // @ts-expect-error: a ring buffer has no elements
  void ring.raw;
  // @ts-expect-error: it is read, not written
  ring.openWriter();
  commands.openWriter().write(new Uint8Array(1));
  // @ts-expect-error: it is written, not read
  commands.records();
  const memory: Uint8Array = arena.memory;
  // @ts-expect-error: an arena has no elements
  arena.set(0, 1);
  plain.set(1, queue).set({ id: 1 }, [1n, { x: "a" }]);
  // @ts-expect-error: undefined is not a value
  plain.set(1, undefined);
  void [events, samples, memory, plain.records(), plain.pop(), plain.getOnCpu(1, 0)];
  return [queue, filter, ring, perf, commands, arena, plain];
}

/** Never runs: `deno check` is the test. */
export function made(): void {
  BpfMap.create<number, bigint>({ type: "hash" }).set(1, 1n);
  BpfMap.create<number>({ type: "queue" }).push(1);
  BpfMap.create<number, bigint>({ type: "percpu_hash" }).setOnAllCpus(1, 1n);
  BpfMap.create<bigint>({ type: "bloom_filter" }).mightContain(1n);
  BpfMap.create({ type: "ringbuf" }).records();
  BpfMap.create({ type: "user_ringbuf" }).openWriter();
  BpfMap.create({ type: "arena" }).memory.fill(0);
  BpfMap.create({ type: "array" }).memory.fill(0);
  BpfMap.create<number, LiveMap>({ type: "array_of_maps" }).openInner(1)?.info();
  // @ts-expect-error: a queue has no keys
  BpfMap.create({ type: "queue" }).get(1);
  // @ts-expect-error: a ring buffer has no keys
  BpfMap.create({ type: "ringbuf" }).get(1);
  // @ts-expect-error: a hash is not a queue
  BpfMap.create({ type: "hash" }).push(1);
  // @ts-expect-error: no such type
  BpfMap.create({ type: "hashes" });
  const type: MapTypeName = "hash";
  BpfMap.create({ type }).get(1);
  BpfMap.open("/sys/fs/bpf/any").push(1);
  BpfMap.open<KeyedMap<number, string>>(7).get(1)?.length;
}

/** Types as `skep types` generates them. */
type Known = {
  maps: { counts: KeyedMap<number, bigint>; events: RingBufferMap<{ comm: string }> };
  variables: { runs: bigint };
};

/** Never runs: `deno check` is the test. */
export async function loaded(
  object: BpfObject,
  known: BpfObject<Known>,
  signal: AbortSignal,
): Promise<void> {
  for await (const event of object.maps.get("events").records({ signal })) void event;
  for await (const { comm } of known.maps.get("events").records({ signal })) void comm.length;
  for await (const { comm } of known.map("events").records()) void comm.length;
  // @ts-expect-error: a ring buffer has no keys
  known.maps.get("events").get(1);
  // @ts-expect-error: there is no such map
  known.maps.get("event");
  // @ts-expect-error: there is no such map
  known.map("event");
  for (const map of known.maps) map.info();
  for (const map of object.maps) void map.get(1);
  const values: BtfValue | undefined = object.map("any").get(1);
  const text: string | undefined = object.map<KeyedMap<number, string>>("any").get(1);
  // @ts-expect-error: it is text
  const wrong: number | undefined = object.map<KeyedMap<number, string>>("any").get(1);
  known.variable("runs").set(1n);
  object.variable<bigint>("runs").set(1n);
  // @ts-expect-error: it is a bigint
  object.variable<bigint>("runs").set(1);
  const maps: AnyObject["maps"] = {};
  void [values, text, wrong, maps];
}

Deno.test("types: values are set as the type that is read, or as objects with a descriptor in place of numbers", () => {
  const number: Input<number> = { fd: 3 };
  const text: Input<string> = "a";
  const one: OneCpu<bigint[]> = 1n;
  assertEquals([number, text, one], [{ fd: 3 }, "a", 1n]);
});

function anyMap(type: MapTypeName): AnyMap {
  const kernel = new FakeKernel();
  return liveMap({
    kernel,
    descriptor: new Descriptor(kernel, -1),
    name: "it",
    type: MapType[type],
    keySize: 4,
    valueSize: 8,
    maxEntries: 4,
    flags: 0,
    mapExtra: 0n,
    keyTypeId: 0,
    valueTypeId: 0,
  });
}

/** Calls on a map of unknown kind, by the name that the error of a refused call shows. */
const calls: { readonly [call: string]: (map: AnyMap) => unknown } = {
  "get()": (map) => map.get(1),
  "set()": (map) => map.set(1, 1),
  "entries()": (map) => map.entries(),
  iteration: (map) => [...map],
  "getOnCpu()": (map) => map.getOnCpu(1, 0),
  "push()": (map) => map.push(1),
  "pop()": (map) => map.pop(),
  "mightContain()": (map) => map.mightContain(1),
  "records()": (map) => map.records(),
  "openWriter()": (map) => map.openWriter(),
  "openInner()": (map) => map.openInner(1),
  memory: (map) => map.memory,
  raw: (map) => map.raw,
};

Deno.test("a call that the map's type lacks is refused with the right one", () => {
  const refused = (type: MapTypeName, call: string, ...said: string[]): void => {
    for (const text of [`use ${call} of map it: EINVAL:`, ...said]) {
      assertThrows(() => calls[call]?.(anyMap(type)), SkepError, text);
    }
  };
  refused("queue", "get()", "a queue has no keys", "use push(), pop() and peek()");
  refused("queue", "iteration", "a queue has no keys");
  refused(
    "hash",
    "push()",
    "is not a queue, stack or bloom_filter",
    "use get(), set() and delete()",
  );
  refused("bloom_filter", "pop()", "use push() and mightContain()");
  refused("array", "getOnCpu()", "an array has one value for all CPUs");
  refused("hash", "records()", "neither a ringbuf nor a perf_event_array");
  refused("ringbuf", "set()", "read it with records()");
  refused("ringbuf", "raw", "a ringbuf has no elements");
  refused("user_ringbuf", "records()", "write it with openWriter()");
  refused("arena", "get()", "use its memory");
  refused("hash", "memory", "cannot be mapped");
  refused("hash", "openInner()", "holds no maps");
  refused("task_storage", "entries()", "cannot list", "iterator program");
});

Deno.test("every map type has a class, and each member works or is refused", () => {
  for (const type of Object.keys(mapTraits) as MapTypeName[]) {
    const map = anyMap(type);
    assertEquals([map instanceof BpfMap, map instanceof LiveMap], [true, true]);
    for (const [name, call] of Object.entries(calls)) {
      let why: string | undefined;
      try {
        void call(map);
      } catch (error) {
        // The descriptor is not open, so calls that are not refused by type fail in the kernel.
        if (!(error instanceof SkepError)) throw error;
        why = error.message.includes(`use ${name} of map`) ? "type" : undefined;
      }
      const can = why === undefined;
      const { kind, key } = mapTraits[type];
      if (name === "get()") assertEquals(can, key !== "none", type);
      if (name === "records()") assertEquals(can, kind === "ring" || kind === "perf", type);
      if (name === "pop()") assertEquals(can, kind === "queue", type);
      if (name === "memory") assertEquals(can, kind === "array" || kind === "arena", type);
    }
  }
});
