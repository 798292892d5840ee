import { assertEquals } from "@std/assert";
import type { MapSpec } from "./spec.ts";
import {
  effectiveMaxEntries,
  mapCreateArguments,
  type MapShape,
  ringBufferSize,
  shapeDifferences,
  transferSize,
  withoutBtf,
} from "./map_rules.ts";

const machine = { pageSize: 4096, possibleCpus: 3 };

function map(facts: Partial<MapSpec>): MapSpec {
  return {
    name: "m",
    kernelName: "m",
    origin: "maps",
    section: ".maps",
    type: "hash",
    keySize: 4,
    valueSize: 8,
    maxEntries: 16,
    flags: 0,
    numaNode: 0,
    mapExtra: 0n,
    pinning: "none",
    keyTypeId: 3,
    valueTypeId: 4,
    slots: [],
    contents: undefined,
    zeroed: false,
    index: 0,
    autocreate: true,
    autoattach: true,
    ...facts,
  };
}

Deno.test("ring buffers are rounded up to a power of two of whole pages", () => {
  assertEquals(ringBufferSize(0, 4096), 0);
  assertEquals(ringBufferSize(1, 4096), 4096);
  assertEquals(ringBufferSize(4096, 4096), 4096);
  assertEquals(ringBufferSize(4097, 4096), 8192);
  assertEquals(ringBufferSize(3 * 4096, 4096), 4 * 4096);
  assertEquals(ringBufferSize(65536, 65536), 65536);
  assertEquals(ringBufferSize(2 ** 31, 4096), 2 ** 31);
  assertEquals(ringBufferSize(2 ** 32 - 1, 4096), 2 ** 32 - 1, "the kernel shall refuse it itself");
});

Deno.test("a perf event array without a size gets one entry for each possible CPU", () => {
  assertEquals(effectiveMaxEntries(4, 0, machine), 3);
  assertEquals(effectiveMaxEntries(4, 2, machine), 2);
  assertEquals(
    effectiveMaxEntries(1, 0, machine),
    0,
    "a hash without a size is the kernel's to refuse",
  );
});

Deno.test("values of per-CPU maps are transferred for all CPUs, each rounded up to eight bytes", () => {
  assertEquals(transferSize(6, 12, 3), 48);
  assertEquals(transferSize(1, 12, 3), 12);
  assertEquals(transferSize(12, 4, 3), 4, "inner maps are ids");
});

Deno.test("maps without BTF support are created without type ids", () => {
  const context = { machine, btfFd: 9 };
  const hash = mapCreateArguments(map({}), context);
  assertEquals([hash.btfFd, hash.keyTypeId, hash.valueTypeId], [9, 3, 4]);
  const queue = mapCreateArguments(map({ type: "queue" }), context);
  assertEquals([queue.btfFd, queue.keyTypeId, queue.valueTypeId], [
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(withoutBtf(hash).btfFd, undefined);
  assertEquals(withoutBtf(hash).name, "m", "a second try keeps the name");
});

Deno.test("a struct_ops map is created with the kernel's value type and its module", () => {
  const made = mapCreateArguments(
    map({ type: "struct_ops", flags: 1 << 13 }),
    { machine, btfFd: 9, structOps: { valueTypeId: 77, moduleFd: 12 } },
  );
  assertEquals(made.vmlinuxValueTypeId, 77);
  assertEquals(made.valueTypeBtfObjFd, 12);
  assertEquals(made.flags, (1 << 13) | (1 << 15));
  assertEquals(made.valueTypeId, 0);
});

Deno.test("a pinned map that differs is described field by field", () => {
  const wanted: MapShape = {
    type: 1,
    keySize: 4,
    valueSize: 8,
    maxEntries: 16,
    flags: 0,
    mapExtra: 0n,
  };
  assertEquals(shapeDifferences(wanted, wanted), []);
  assertEquals(shapeDifferences(wanted, { ...wanted, valueSize: 12, mapExtra: 3n }), [
    { field: "valueSize", wanted: "8", pinned: "12" },
    { field: "mapExtra", wanted: "0", pinned: "3" },
  ]);
  const devmap = { ...wanted, type: 14 };
  assertEquals(
    shapeDifferences(devmap, { ...devmap, flags: 1 << 7 }),
    [],
    "RDONLY_PROG is the kernel's own",
  );
});
