import { assert, assertEquals, assertThrows } from "@std/assert";
import { KernelError } from "../../errors/kernel_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import {
  type AnyMap,
  BpfMap,
  BpfObject,
  kernelBtf,
  type MapCreateOptions,
} from "../../loader/mod.ts";
import { MapType, type MapTypeName } from "../../uapi/enums.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import congestion from "../fixtures/congestion.bpf.o" with { type: "bytes" };
import bytes from "../fixtures/maps.bpf.o" with { type: "bytes" };
import { kernelTest, missingFeature } from "../support/kernel.ts";
import { BPF_FS_MAGIC } from "../../uapi/files.ts";

const kernel = linuxKernel();
const page = kernel.machine.pageSize;
const { btf } = ObjectSpec.parse(bytes, { name: "maps.bpf.o" });
const ownStorage = btf === undefined
  ? undefined
  : { btf, key: btf.find("int", "int") ?? 0, value: "point" };

type Recipe = Omit<MapCreateOptions, "type">;

const small: Recipe = { keySize: 4, valueSize: 8, maxEntries: 4 };
const keyless: Recipe = { valueSize: 8, maxEntries: 4 };
const sized: Recipe = { maxEntries: 4 };
const storage: Recipe = { flags: 1, types: ownStorage };
const perCgroup: Recipe = { keySize: 16, valueSize: 8 };

/** Attributes to create each map type with; `"object"` for types that only loading an object creates. */
const recipes: { readonly [type in MapTypeName]?: Recipe | "object" } = {
  hash: small,
  array: { valueSize: 8, maxEntries: 4 },
  prog_array: sized,
  perf_event_array: {},
  percpu_hash: small,
  percpu_array: { valueSize: 8, maxEntries: 4 },
  stack_trace: { valueSize: 127 * 8, maxEntries: 4 },
  cgroup_array: sized,
  lru_hash: small,
  lru_percpu_hash: small,
  lpm_trie: { ...small, keySize: 8, flags: 1 },
  array_of_maps: sized,
  hash_of_maps: { ...sized, keySize: 4 },
  devmap: sized,
  sockmap: sized,
  cpumap: { maxEntries: 1 },
  xskmap: sized,
  sockhash: { ...sized, keySize: 8 },
  cgroup_storage: perCgroup,
  reuseport_sockarray: sized,
  percpu_cgroup_storage: perCgroup,
  queue: keyless,
  stack: keyless,
  sk_storage: storage,
  devmap_hash: sized,
  struct_ops: "object",
  ringbuf: { maxEntries: page },
  inode_storage: storage,
  task_storage: storage,
  bloom_filter: keyless,
  user_ringbuf: { maxEntries: page },
  cgrp_storage: storage,
  arena: { maxEntries: 2, flags: 1 << 10 },
  insn_array: { keySize: 4, valueSize: 16, maxEntries: 4 },
  rhash: { ...small, flags: 1 },
};

/** Returns the running kernel's map types from its BTF. */
function kernelMapTypes(): { readonly name: string; readonly value: number }[] {
  const types = kernelBtf(kernel);
  const type = types.type(types.find("bpf_map_type", "enum") ?? 0);
  if (type.kind !== "enum") throw new Error("the kernel has no enum bpf_map_type");
  return type.values.map(({ name, value }) => ({
    name: name.replace("BPF_MAP_TYPE_", "").toLowerCase(),
    value: Number(value),
  })).filter(({ name }) => name !== "unspec" && !name.startsWith("__"));
}

kernelTest("every type of map that this kernel has is tried here", () => {
  const tried = new Set(Object.keys(recipes).map((name) => MapType[name as MapTypeName] as number));
  assertEquals(kernelMapTypes().filter(({ value }) => !tried.has(value)), []);
});

const pins = "/sys/fs/bpf";
const canPin = kernel.filesystemType(pins) >>> 0 === BPF_FS_MAGIC;

for (const [name, recipe] of Object.entries(recipes) as [MapTypeName, Recipe | "object"][]) {
  kernelTest(`${name} is made, opened by id and by path, and tells what it is`, {
    needs: {
      capabilities: [21],
      // The object's struct_ops map is attached by a link.
      feature: recipe === "object" ? ["ability", "struct_ops_link"] : undefined,
      unless: () => missingFeature("map", name),
    },
  }, async () => {
    if (recipe === "object") {
      const spec = ObjectSpec.parse(congestion, { name: "congestion.bpf.o" });
      using object = await BpfObject.load(spec, { token: false });
      const map = [...object.maps].find((each) => each.type === "struct_ops");
      if (map === undefined) throw new Error("the object has no struct_ops map");
      checkMap(map, name);
      const value = map.get(0);
      assert(value instanceof Uint8Array && value.length === map.valueSize);
      assert(map.info().vmlinuxValueTypeId > 0);
      return;
    }
    using inner = name.endsWith("_of_maps")
      ? BpfMap.create({ type: "array", valueSize: 4, maxEntries: 1 })
      : undefined;
    using map = BpfMap.create({
      ...recipe,
      type: name,
      name: `skep_${name}`.slice(0, 15),
      inner,
    });
    checkMap(map, name);
  });
}

function checkMap(map: AnyMap, type: MapTypeName): void {
  assertEquals(map.type, type);
  const info = map.info();
  assertEquals([info.typeName, info.keySize, info.valueSize, info.maxEntries], [
    type,
    map.keySize,
    map.valueSize,
    map.maxEntries,
  ]);
  {
    using same = BpfMap.open(info.id);
    assertEquals([same.info(), same.name, same.type], [info, info.name, type]);
  }
  if (canPin) {
    const path = `${pins}/skep_types_${Deno.pid}`;
    map.pin(path);
    try {
      using same = BpfMap.open(path);
      assertEquals(same.info(), info);
      assertThrows(() => map.pin(path), KernelError, "EEXIST");
    } finally {
      kernel.unlink(path);
    }
  }
  if (type === "struct_ops" || map.keySize !== 4 || map.valueSize !== 8) return;
  // A map cannot be unfrozen: the kernel refuses every write, whatever the map type.
  map.freeze();
  const raw = (): void => map.raw.set(new Uint8Array(4), new Uint8Array(map.raw.valueSize));
  assertThrows(raw, KernelError, "EPERM");
  // A second freeze: EPERM on newer kernels, EBUSY on 6.1.
  assertThrows(() => map.freeze(), KernelError);
}
