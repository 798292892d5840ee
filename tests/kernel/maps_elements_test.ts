import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import {
  type AnyMap,
  BpfMap,
  BpfObject,
  type KeyedMap,
  type PerCpuMap,
  type Prefix,
} from "../../loader/mod.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import bytes from "../fixtures/maps.bpf.o" with { type: "bytes" };
import { kernelTest } from "../support/kernel.ts";

const kernel = linuxKernel();
const cpus = kernel.machine.possibleCpus;

/** Loads the named maps of the fixture, without programs. */
function loadMaps(...names: readonly string[]): Promise<BpfObject> {
  const spec = ObjectSpec.parse(bytes, { name: "maps.bpf.o" });
  for (const program of spec.programs) program.autoload = false;
  for (const map of spec.maps) map.autocreate = names.includes(map.name);
  return BpfObject.load(spec, { token: false });
}

function count(elements: Iterable<unknown>): number {
  let seen = 0;
  for (const _ of elements) seen++;
  return seen;
}

kernelTest("hash: every operation and mode, with numbers and bytes by size", () => {
  using map = BpfMap.create<number, bigint>({
    type: "hash",
    name: "words",
    keySize: 4,
    valueSize: 8,
    maxEntries: 2,
  });
  assertEquals([map.type, map.keySize, map.valueSize, map.maxEntries], ["hash", 4, 8, 2]);
  assertEquals(map.info().name, "words");
  assertEquals([map.get(1), map.has(1), map.delete(1), map.take(1)], [
    undefined,
    false,
    false,
    undefined,
  ]);
  map.set(1, 10n, { mode: "create" }).set(1, 2n ** 64n - 1n, { mode: "replace" });
  assertEquals([map.get(1), map.has(1)], [2n ** 64n - 1n, true]);
  assertThrows(() => map.set(1, 1n, { mode: "create" }), KernelError, "EEXIST");
  assertThrows(() => map.set(2, 1n, { mode: "replace" }), KernelError, "ENOENT");
  map.set(2, 20n);
  assertThrows(() => map.set(3, 30n), KernelError, "E2BIG");
  assertEquals(map.take(2), 20n);
  assertEquals([...map.keys()], [1]);
  assertEquals(map.delete(1), true);
  assertEquals([...map], []);
  assertThrows(() => map.set(1, 1n, { flags: 1 << 20 }), KernelError, "EINVAL");
});

kernelTest("hash: a value with a spin lock is read and written under it", async () => {
  using object = await loadMaps("guarded");
  const map = object.map<KeyedMap<number, { first: bigint; second: number }>>("guarded");
  map.set(1, { first: 5n, second: 6 });
  map.set(1, { first: 7n, second: 8 }, { lock: true, mode: "replace" });
  assertEquals(map.get(1, { lock: true }), { first: 7n, lock: { val: 0 }, second: 8 } as never);
  for (const [key, value] of map.entries({ flags: 4 })) {
    assertEquals([key, value.first], [1, 7n]);
  }
  assertEquals(
    map.setAll([[1, { first: 9n, second: 1 }], [2, { first: 3n, second: 2 }]], {
      lock: true,
    }),
    2,
  );
  assertEquals(map.get(1)?.first, 9n);
  using plain = BpfMap.create<number, number>({
    type: "hash",
    keySize: 4,
    valueSize: 4,
    maxEntries: 2,
  });
  plain.set(1, 1);
  assertThrows(() => plain.get(1, { lock: true }), KernelError, "EINVAL");
});

kernelTest("hash: a wrong shape names the field, and nothing is sent", async () => {
  using object = await loadMaps("shapes");
  const map = object.map("shapes");
  const key = { x: -1, y: 2 };
  const value = {
    name: "a",
    mood: "MERRY",
    points: [{ x: 1, y: 2 }, { x: 3, y: 4 }],
    bytes: new Uint8Array(4),
    flag: true,
  };
  map.set(key, value);
  const refused = (change: object, ...words: readonly string[]): void => {
    const error = assertThrows(
      () => map.set({ x: 9, y: 9 }, { ...value, ...change } as never),
      SkepError,
    );
    assertEquals([error.errno, error.stage], ["EINVAL", "usage"]);
    for (const word of ["shapes's value", ...words]) {
      assert(error.message.includes(word), `${error.message}: no "${word}"`);
    }
  };
  refused({ mood: "ANGRY" }, "mood", "CALM, MERRY");
  refused({ points: [{ x: 1, y: 2 }] }, "points", "2 elements");
  refused({ points: [{ x: 1, y: 2 }, { x: 1.5, y: 2 }] }, "points[1].x");
  refused({ points: [{ x: 1, y: 2 }, { x: 1 }] }, "points[1]", "y is missing");
  refused({ bytes: new Uint8Array(3) }, "bytes");
  refused({ name: "much too long" }, "name");
  refused({ flag: "yes" }, "flag");
  refused({ more: 1 }, 'no member "more"');
  const wrongKey = assertThrows(() => map.get({ x: 2 ** 31, y: 0 }), SkepError);
  assert(wrongKey.message.includes("shapes's key") && wrongKey.message.includes("point.x"));
  assertEquals([...map], [[key, value]]);
});

kernelTest("LRU: the kernel drops what is old instead of refusing", () => {
  using map = BpfMap.create<number, number>({
    type: "lru_hash",
    keySize: 4,
    valueSize: 4,
    maxEntries: 64,
  });
  for (let key = 0; key < 1000; key++) map.set(key, key);
  const kept = count(map);
  assert(kept > 0 && kept <= 64, `${kept} are kept`);
  assertEquals(map.get(999), 999);
  // BPF_F_NO_COMMON_LRU: one LRU list per CPU.
  using each = BpfMap.create<number, number>({
    type: "lru_hash",
    keySize: 4,
    valueSize: 4,
    maxEntries: 64,
    flags: 2,
  });
  for (let key = 0; key < 1000; key++) each.set(key, key);
  assert(each.has(999));
});

for (const type of ["percpu_hash", "percpu_array", "lru_percpu_hash"] as const) {
  kernelTest(`${type}: values are arrays, and single CPUs' are read and set`, () => {
    using map = BpfMap.create<number, number>({ type, keySize: 4, valueSize: 4, maxEntries: 64 });
    const values = Array.from({ length: cpus }, (_, cpu) => cpu + 100);
    map.set(3, values);
    assertEquals(map.get(3), values);
    assertEquals(map.getOnCpu(3, cpus - 1), 99 + cpus);
    map.setOnAllCpus(3, 7);
    assertEquals(map.get(3), values.map(() => 7));
    assertThrows(() => map.set(3, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].slice(0, cpus + 1)), SkepError);
    assertThrows(() => map.getOnCpu(3, cpus), SkepError, `there is no CPU ${cpus}`);
    if (type !== "percpu_array") {
      assertEquals(map.getOnCpu(4, 0), undefined);
      if (type === "percpu_hash") assertEquals(map.take(3), values.map(() => 7));
    } else assertEquals(count(map), 64);
    // Older kernels refuse BPF_F_CPU: either one value changes, or the call fails and none does.
    map.setOnAllCpus(5, 1);
    try {
      map.setOnCpu(5, 0, 2);
    } catch (error) {
      assert(error instanceof KernelError && error.errno === "EINVAL", String(error));
      assert(error.message.includes("BPF_F_CPU"), error.message);
      assertEquals(map.get(5), values.map(() => 1));
      return;
    }
    assertEquals(map.get(5), values.map((_, cpu) => cpu === 0 ? 2 : 1));
  });
}

kernelTest("percpu_hash: values of a struct keep their place beside the padding", async () => {
  using object = await loadMaps("spread");
  const map = object.map<PerCpuMap<number, { x: number; y: number }>>("spread");
  const values = Array.from({ length: cpus }, (_, cpu) => ({ x: cpu, y: -cpu - 1 }));
  map.setAll([[1, values], [2, values.toReversed()]]);
  assertEquals(new Map(map), new Map([[1, values], [2, values.toReversed()]]));
  assertThrows(
    () => map.set(1, values.map(() => ({ x: 1 })) as never),
    SkepError,
    "member y is missing",
  );
});

kernelTest("array: indices, the end, and what cannot be deleted", () => {
  using map = BpfMap.create<number, number>({ type: "array", valueSize: 4, maxEntries: 5 });
  map.setAll([[0, 10], [4, 14]]);
  assertEquals([...map.values()], [10, 0, 0, 0, 14]);
  assertEquals([map.get(4), map.get(5)], [14, undefined]);
  assertThrows(() => map.set(5, 1), KernelError, "E2BIG");
  assertThrows(() => map.set(1, 1, { mode: "create" }), KernelError, "EEXIST");
  assertThrows(() => map.delete(1), KernelError, "EINVAL");
  assertThrows(() => map.clear(), KernelError, "EINVAL");
});

kernelTest("array: memory that is shared with the programs, and closed to writes", () => {
  const mmapable = 1 << 10;
  using map = BpfMap.create<number, bigint>({
    type: "array",
    valueSize: 8,
    maxEntries: 1000,
    flags: mmapable,
  });
  const memory = new BigUint64Array(map.memory.buffer, map.memory.byteOffset, 1000);
  memory[999] = 77n;
  assertEquals(map.get(999), 77n);
  map.set(0, 5n);
  assertEquals(memory[0], 5n);
  assertStrictEquals(map.memory, map.memory);
  using closed = BpfMap.create({
    type: "array",
    valueSize: 8,
    maxEntries: 1,
    flags: mmapable | 1 << 7,
  });
  // BPF_F_RDONLY_PROG: programs cannot write; this process can until the map is frozen.
  closed.set(0, 3n);
  closed.freeze();
  assertEquals(closed.memory[0], 3);
  assertThrows(() => closed.set(0, 4n), KernelError, "EPERM");
  using plain = BpfMap.create({ type: "array", valueSize: 8, maxEntries: 1 });
  assertThrows(() => plain.memory, SkepError, "BPF_F_MMAPABLE");
});

kernelTest("read-only and write-only descriptors are the kernel's to refuse", () => {
  using readOnly = BpfMap.create({ type: "array", valueSize: 4, maxEntries: 1, flags: 1 << 3 });
  assertEquals(readOnly.get(0), 0);
  assertThrows(() => readOnly.set(0, 1), KernelError, "EPERM");
  using writeOnly = BpfMap.create({ type: "array", valueSize: 4, maxEntries: 1, flags: 1 << 4 });
  writeOnly.set(0, 1);
  assertThrows(() => writeOnly.get(0), KernelError, "EPERM");
});

kernelTest("lpm_trie: the longest prefix wins, as a struct with a flexible array", async () => {
  using object = await loadMaps("routes");
  const map = object.map<KeyedMap<Prefix, number>>("routes");
  const key = (prefixLength: number, ...data: readonly number[]): {
    prefixLength: number;
    data: Uint8Array<ArrayBuffer>;
  } => ({ prefixLength, data: new Uint8Array(data) });
  map.set(key(8, 10, 0, 0, 0), 8).set(key(24, 10, 1, 2, 0), 24).set(key(0, 0, 0, 0, 0), 0);
  assertEquals(map.get(key(32, 10, 1, 2, 3)), 24);
  assertEquals(map.get(key(32, 10, 9, 9, 9)), 8);
  assertEquals(map.get(key(32, 11, 0, 0, 1)), 0);
  assertEquals(map.delete(key(24, 10, 1, 2, 0)), true);
  assertEquals(map.delete(key(23, 10, 1, 2, 0)), false);
  assertEquals(map.get(key(32, 10, 1, 2, 3)), 8);
  assertEquals(count(map), 2);
  assertThrows(() => map.get(key(33, 1, 2, 3, 4)), SkepError, "prefixLength");
  assertThrows(() => map.get(key(8, 1, 2, 3)), SkepError, "data");
  assertThrows(
    () => BpfMap.create({ type: "lpm_trie", keySize: 8, valueSize: 4, maxEntries: 1 }),
    KernelError,
    "EINVAL",
  );
});

kernelTest("lpm_trie: what is there all the time is seen once, whatever is deleted", async () => {
  using object = await loadMaps("routes");
  const map = object.map<KeyedMap<Prefix, number>>("routes");
  for (let i = 0; i < 200; i++) {
    map.set({ prefixLength: 32, data: new Uint8Array([10, 0, i >> 8, i & 255]) }, i);
  }
  const seen: number[] = [];
  for (const [key, value] of map.entries({ size: 8 })) {
    seen.push(value);
    if (value % 2 === 0) map.delete(key);
  }
  const odd = seen.filter((value) => value % 2 === 1);
  assertEquals(odd.toSorted((a, b) => a - b), Array.from({ length: 100 }, (_, i) => 2 * i + 1));
});

kernelTest("queue and stack: in order and in reverse, full and forced", () => {
  for (const [type, order] of [["queue", [1, 2, 3]], ["stack", [3, 2, 1]]] as const) {
    using map = BpfMap.create<number>({ type, valueSize: 4, maxEntries: 3 });
    assertEquals([map.pop(), map.peek()], [undefined, undefined]);
    map.push(1).push(2).push(3);
    assertThrows(() => map.push(4), KernelError, "E2BIG");
    assertEquals([map.peek(), map.pop(), map.pop(), map.pop(), map.pop()], [
      order[0],
      ...order,
      undefined,
    ]);
    map.push(1).push(2).push(3).push(4, { force: true });
    assertEquals([map.pop(), map.pop(), map.pop()], type === "queue" ? [2, 3, 4] : [4, 3, 2]);
    const any = BpfMap.open(map.info().id);
    assertThrows(() => any.get(1), SkepError, "push(), pop() and peek()");
    assertThrows(() => any.keys(), SkepError, "push(), pop() and peek()");
    any[Symbol.dispose]();
  }
});

kernelTest("bloom_filter: false is certain", () => {
  using map = BpfMap.create<bigint>({
    type: "bloom_filter",
    valueSize: 8,
    maxEntries: 100,
    mapExtra: 5n,
  });
  for (let value = 0n; value < 100n; value++) map.push(value);
  for (let value = 0n; value < 100n; value++) assert(map.mightContain(value));
  let wrong = 0;
  for (let value = 1000n; value < 2000n; value++) if (map.mightContain(value)) wrong++;
  assert(wrong < 200, `${wrong} of 1000 are taken for known`);
  using any = BpfMap.open(map.info().id);
  assertThrows(() => any.pop(), SkepError, "push() and mightContain()");
  assertThrows(() => any.set(1, 1n), SkepError, "push() and mightContain()");
});

kernelTest("what a type of map cannot do is said before the call", () => {
  using made = BpfMap.create({ type: "hash", keySize: 4, valueSize: 4, maxEntries: 1 });
  using hash: AnyMap = BpfMap.open(made.info().id);
  assertThrows(() => hash.push(1), SkepError, "get(), set() and delete()");
  assertThrows(() => hash.pop(), SkepError, "queue or stack");
  assertThrows(() => hash.mightContain(1), SkepError, "bloom_filter");
  assertThrows(() => hash.getOnCpu(1, 0), SkepError, "one value for all");
  assertThrows(() => BpfMap.create({ type: "hash", valueSize: 4, maxEntries: 1 }), KernelError);
  assertThrows(
    () => hash.raw.set(new Uint8Array(3), new Uint8Array(4)),
    SkepError,
    "takes 4 bytes",
  );
});

kernelTest("arena: its pages are this process's memory", {
  needs: { feature: ["map", "arena"] },
}, () => {
  using map = BpfMap.create({ type: "arena", maxEntries: 4, flags: 1 << 10 });
  assertEquals(map.memory.length, 4 * kernel.machine.pageSize);
  // The first access allocates a page: it reads as zeroes, then as what was written.
  assertEquals(map.memory[kernel.machine.pageSize * 2], 0);
  map.memory[kernel.machine.pageSize * 2] = 7;
  {
    using same = BpfMap.open(map.info().id);
    assertEquals(same.type, "arena");
  }
  assertEquals(map.memory[kernel.machine.pageSize * 2], 7);
  using any = BpfMap.open(map.info().id);
  assertThrows(() => any.get(0), SkepError, "use its memory");
  assertThrows(() => [...any], SkepError, "use its memory");
});
