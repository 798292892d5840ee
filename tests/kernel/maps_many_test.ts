import { assert, assertEquals, assertThrows } from "@std/assert";
import { KernelError } from "../../errors/kernel_error.ts";
import { BpfMap, type KeyedMap } from "../../loader/mod.ts";
import { kernelTest } from "../support/kernel.ts";

const sequence = (length: number): number[] => Array.from({ length }, (_, index) => index);

function hash(maxEntries: number): KeyedMap<number, number> {
  return BpfMap.create<number, number>({ type: "hash", keySize: 4, valueSize: 4, maxEntries });
}

kernelTest("a map larger than a batch is set, read and deleted in batches", () => {
  using map = hash(20_000);
  const keys = sequence(20_000);
  assertEquals(map.setAll(keys.map((key) => [key, key * 2] as const)), 20_000);
  const seen = new Map(map);
  assertEquals(seen.size, 20_000);
  for (const key of keys) assertEquals(seen.get(key), key * 2);
  const pieces = [...map.batches({ size: 1000 })];
  assert(pieces.length >= 20, `${pieces.length} pieces`);
  assertEquals(pieces.flat().length, 20_000);
  // A missing key ends BPF_MAP_DELETE_BATCH; deleteAll() continues after it.
  assertEquals(map.deleteAll(sequence(40_000).filter((key) => key % 3 === 0)), 6667);
  assertEquals([...map.keys()].length, 13_333);
  assertEquals(map.clear(), 13_333);
  assertEquals([...map], []);
});

kernelTest("a batch that has no room for a bucket goes on with more, from where it was", () => {
  using map = hash(4096);
  map.setAll(sequence(4096).map((key) => [key, key] as const));
  // Buckets hold one element on average and up to about six: the first batches are too small.
  const seen = [...map.keys({ size: 1 })];
  assertEquals(seen.length, 4096, "every key comes once");
  assertEquals(seen.toSorted((a, b) => a - b), sequence(4096));
});

kernelTest("elements are taken in batches, none twice and none left", () => {
  using map = hash(1000);
  map.setAll(sequence(1000).map((key) => [key, key + 1] as const));
  const taken = [...map.batches({ size: 100, take: true })].flat();
  assertEquals(taken.length, 1000);
  assert(taken.every(([key, value]) => value === key + 1));
  assertEquals([...map], []);
  using array = BpfMap.create({ type: "array", valueSize: 4, maxEntries: 4 });
  assertEquals([...array.batches({ take: true })].flat().length, 4, "an array's values stay");
});

kernelTest("iteration survives deletes and inserts", () => {
  using map = hash(4000);
  map.setAll(sequence(2000).map((key) => [key, 0] as const));
  const seen: number[] = [];
  let fresh = 2000;
  for (const key of map.keys({ size: 16 })) {
    seen.push(key);
    if (key % 4 === 0) map.delete(key);
    if (key % 4 === 1) map.delete(key + 1);
    if (fresh < 3900) map.set(fresh++, 1);
  }
  const stayed = seen.filter((key) => key < 2000 && (key % 4 === 1 || key % 4 === 3));
  assertEquals(stayed.length, 1000, "what stays is seen once");
  assertEquals(new Set(seen).size, seen.length, "nothing is seen twice");
});

kernelTest("a loop that is left gives the kernel's room back", () => {
  using map = hash(1000);
  map.setAll(sequence(1000).map((key) => [key, key] as const));
  for (const _ of map) break;
  for (const _ of map.batches({ size: 10 })) break;
  assertEquals(map.keys().map((key) => key * 2).take(3).toArray().length, 3);
  const [first] = map;
  assert(first !== undefined);
  try {
    for (const _ of map.values()) throw new Error("stop");
  } catch { /* What is left open is counted at the end of the test. */ }
});

kernelTest("a batch's errors name the element, and modes hold for all of it", () => {
  using map = hash(10);
  map.set(5, 5);
  const error = assertThrows(
    () => map.setAll(sequence(8).map((key) => [key, key] as const), { mode: "create" }),
    KernelError,
  );
  assertEquals([error.errno, error.command], ["EEXIST", "BPF_MAP_UPDATE_ELEM"]);
  assert(error.message.includes("element 5"), error.message);
  assertThrows(
    () => map.setAll(sequence(50).map((key) => [key, key] as const)),
    KernelError,
    "E2BIG",
  );
});

kernelTest("arrays, tries and maps without batch commands are read the same way", () => {
  using array = BpfMap.create<number, bigint>({ type: "array", valueSize: 8, maxEntries: 10_000 });
  array.setAll(sequence(10_000).map((key) => [key, BigInt(key)] as const));
  let next = 0;
  for (const [key, value] of array) {
    assertEquals([key, value], [next, BigInt(next)]);
    next++;
  }
  assertEquals(next, 10_000);
  using trie = BpfMap.create<{ prefixLength: number; data: Uint8Array<ArrayBuffer> }, number>({
    type: "lpm_trie",
    keySize: 8,
    valueSize: 4,
    maxEntries: 10_000,
    flags: 1,
  });
  trie.setAll(
    sequence(9000).map((index) =>
      [{ prefixLength: 32, data: new Uint8Array([10, 0, index >> 8, index & 255]) }, index] as const
    ),
  );
  assertEquals([...trie.values()].toSorted((a, b) => a - b), sequence(9000));
  using each = BpfMap.create<number, number>({
    type: "percpu_array",
    valueSize: 4,
    maxEntries: 5000,
  });
  assertEquals([...each].length, 5000);
});

kernelTest("large values make small batches", () => {
  using map = BpfMap.create<number, Uint8Array<ArrayBuffer>>({
    type: "hash",
    keySize: 4,
    valueSize: 100_000,
    maxEntries: 64,
    flags: 1,
  });
  for (let key = 0; key < 64; key++) map.set(key, new Uint8Array(100_000).fill(key));
  const seen = new Set<number>();
  for (const [key, value] of map) {
    assertEquals([value.length, value[0], value[99_999]], [100_000, key, key]);
    seen.add(key);
  }
  assertEquals(seen.size, 64);
});
