// Checks that no access to memory shared with the kernel ends the process.

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { type ArrayMap, BpfMap, linuxKernel, Mapping, SkepError } from "../../mod.ts";
import { mapTraits } from "../../object/spec/map_traits.ts";
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, BPF_F_SEGV_ON_FAULT } from "../../uapi/bpf_flags.ts";
import { Errno } from "../../uapi/errno.ts";
import { MapType, type MapTypeName } from "../../uapi/enums.ts";
import { kernelTest } from "../support/kernel.ts";

const kernel = linuxKernel();

function array(flags: number): ArrayMap<number, bigint> {
  return BpfMap.create<number, bigint>({ type: "array", valueSize: 8, maxEntries: 512, flags });
}

kernelTest("the memory of a map that is read-only here is a copy, as of now", () => {
  using map = array(BPF_F_MMAPABLE | BPF_F_RDONLY_PROG);
  const { memory } = map;
  memory.fill(0xff);
  assertEquals(map.get(0), 0n, "writing to the copy changes nothing");
  map.set(1, 7n);
  assertStrictEquals(map.memory, memory);
  assertEquals([memory[0], memory[8]], [0, 7], "each look refreshes it");
});

kernelTest("a map that is frozen gives a copy too", () => {
  using map = array(BPF_F_MMAPABLE);
  map.set(0, 5n).freeze();
  map.memory[0] = 9;
  assertEquals([map.memory[0], map.get(0)], [5, 5n]);
});

kernelTest("an arena with BPF_F_SEGV_ON_FAULT has no memory to look at", {
  needs: { feature: ["map", "arena"] },
}, () => {
  const flags = BPF_F_MMAPABLE | BPF_F_SEGV_ON_FAULT;
  using arena = BpfMap.create({ type: "arena", maxEntries: 2, flags });
  assertThrows(() => arena.memory, SkepError, "BPF_F_SEGV_ON_FAULT");
  assertEquals(kernel.map(arena.fd, 8192, { writable: true }), -Errno.EFAULT);
  assertEquals(kernel.map(arena.fd, 8192), -Errno.EFAULT);
});

kernelTest("a file is read, not mapped: to its end, and unchanged when it is cut", () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(path, "short");
    const fd = kernel.open(path);
    const mapping = kernel.map(fd, 4096);
    assert(mapping instanceof Mapping);
    Deno.truncateSync(path, 0);
    assertEquals(new TextDecoder().decode(mapping.u8.slice(0, 6)), "short\0");
    mapping.u8[0] = 1;
    mapping[Symbol.dispose]();
    assertEquals(kernel.map(fd, 4096), -Errno.EINVAL, "a page behind the end");
    assertEquals(kernel.map(fd, 4096, { writable: true }), -Errno.EACCES);
    for (const size of [0, -1, NaN, 0.5, 2 ** 53]) {
      assertThrows(() => kernel.map(fd, size), SkepError, "size of a mapping");
    }
    kernel.close(fd);
  } finally {
    Deno.removeSync(path);
  }
});

kernelTest("memory that was given to another owner stays memory", () => {
  using map = array(BPF_F_MMAPABLE);
  const { buffer } = map.memory;
  map.set(0, 5n);
  const moved = new Uint8Array(structuredClone(buffer, { transfer: [buffer] }));
  assertEquals(moved[0], 5);
  map[Symbol.dispose]();
  moved.fill(1);
  assertEquals(moved.every((byte) => byte === 1), true, "its own, and no map's");
});

kernelTest("room for elements is refused when it is less than the map's", () => {
  using map = BpfMap.create({ type: "hash", keySize: 8, valueSize: 64, maxEntries: 4 });
  assertThrows(() => kernel.mapElements(map.fd, 4, 64), SkepError, "from 8 to");
  assertThrows(() => kernel.mapElements(map.fd, 8, 63), SkepError, "from 64 to");
  assertThrows(() => kernel.mapBatch(map.fd, 8, 8, 4), SkepError, "from 64 to");
  for (const capacity of [0, -1, NaN, 1.5, 2 ** 32]) {
    assertThrows(() => kernel.mapBatch(map.fd, 8, 64, capacity), SkepError, "capacity of a batch");
  }
  using batch = kernel.mapBatch(map.fd, 8, 64, 2);
  for (const count of [-1, 3, NaN, 0.5]) {
    assertThrows(() => batch.update(count), SkepError, "from 0 to 2");
    assertThrows(() => batch.delete(count), SkepError, "from 0 to 2");
  }
});

for (const [name, { kind }] of Object.entries(mapTraits)) {
  if (kind !== "per-cpu" || name.includes("cgroup_storage")) continue;
  kernelTest(`${name}: room for one CPU alone is refused`, () => {
    const type = MapType[name as MapTypeName];
    const fd = kernel.mapCreate({ type, keySize: 4, valueSize: 4, maxEntries: 4 });
    const all = 8 * kernel.machine.possibleCpus;
    assertThrows(() => kernel.mapElements(fd, 4, all - 1), SkepError, `from ${all} to`);
    using elements = kernel.mapElements(fd, 4, all);
    elements.key.fill(0);
    assertEquals(elements.update() >= 0, true);
    kernel.close(fd);
    assertEquals(elements.lookup(), -Errno.EBADF, "it ends with the descriptor");
  });
}

kernelTest("what works on a map says that it was disposed", () => {
  const map = BpfMap.create<number, bigint>({
    type: "hash",
    keySize: 4,
    valueSize: 8,
    maxEntries: 64,
  });
  for (let key = 0; key < 64; key++) map.set(key, 1n);
  const entries = map.entries({ size: 4 });
  entries.next();
  const chunks = map.raw.chunks({ size: 4 });
  const batch = map.raw.batch(4);
  map[Symbol.dispose]();
  const calls: { readonly [name: string]: () => unknown } = {
    entries: () => [...entries],
    chunks: () => [...chunks],
    get: () => map.get(1),
    set: () => map.set(1, 1n),
    delete: () => map.delete(1),
    keys: () => [...map.keys()],
    setAll: () => map.setAll([[1, 1n], [2, 2n]]),
    clear: () => map.clear(),
    info: () => map.info(),
    freeze: () => map.freeze(),
    pin: () => map.pin("/sys/fs/bpf/nothing"),
  };
  for (const [name, call] of Object.entries(calls)) {
    const error = assertThrows(call, SkepError, "it was disposed", name);
    assertEquals(error.errno, "EBADF");
  }
  assertEquals(batch.lookup(), -Errno.EBADF);
});

kernelTest("a read-only mapping in place gives no view to anybody outside", () => {
  using map = array(BPF_F_MMAPABLE);
  const mapping = kernel.map(map.fd, 4096, { inPlace: true });
  assert(mapping instanceof Mapping);
  assertEquals([mapping.size, mapping.closed], [4096, false]);
  for (const name of ["u8", "u32", "i32", "big64", "view"] as const) {
    assertThrows(() => mapping[name], SkepError, "without inPlace", name);
  }
  mapping[Symbol.dispose]();
  assertEquals([mapping.size, mapping.closed], [0, true]);
});

kernelTest("numbers that the kernel would cut to 32 bits are refused", () => {
  const event = { type: 1, config: 0n, pid: 0, cpu: -1 };
  for (const wrong of [{ type: 2 ** 32 + 1 }, { pid: 2 ** 32 }, { cpu: -2 }, { wakeup: 2 ** 32 }]) {
    assertThrows(() => kernel.perfEventOpen({ ...event, ...wrong }), SkepError, "whole number");
  }
  assertThrows(() => kernel.open("/proc/self/stat", 2 ** 32), SkepError, "whole number");
  using map = array(0);
  // The kernel writes a string to the address in the pointer field: no other field may overlap it.
  for (const [pointer, length] of [[8, 8], [8, 12], [4, 16], [72, 0], [-8, 0], [0, 1.5]] as const) {
    assertThrows(() => kernel.objectInfo(map.fd, 72, { pointer, length }), SkepError);
  }
});
