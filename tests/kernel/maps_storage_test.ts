import { assert, assertEquals, assertThrows } from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { openProcess } from "../../kernel/process/process.ts";
import { socketPair } from "../support/processes.ts";
import {
  BpfMap,
  BpfObject,
  type CgroupStorageKey,
  type KeyedMap,
  type PerCpuMap,
  type StorageMap,
} from "../../loader/mod.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import bytes from "../fixtures/maps.bpf.o" with { type: "bytes" };
import { cgroupRoot, inCgroup, openDirectory } from "../support/hooks.ts";
import { kernelTest, missingFeature } from "../support/kernel.ts";

const kernel = linuxKernel();

interface Point {
  x: number;
  y: number;
}

/** Loads the fixture with the named maps and at most one program. */
function load(names: readonly string[], program?: string): Promise<BpfObject> {
  const spec = ObjectSpec.parse(bytes, { name: "maps.bpf.o" });
  for (const each of spec.programs) each.autoload = each.name === program;
  for (const map of spec.maps) map.autocreate = map.origin !== "maps" || names.includes(map.name);
  return BpfObject.load(spec, { token: false });
}

/** Opens an owner for each kind of storage; the caller closes the descriptor. */
const owners = {
  sk_storage: {
    map: "of_sockets",
    open: () => {
      const [one, other] = socketPair();
      kernel.close(other);
      return one;
    },
  },
  task_storage: { map: "of_tasks", open: () => openProcess(Deno.pid) },
  inode_storage: { map: "of_files", open: () => kernel.open("/proc/self/exe") },
  cgrp_storage: { map: "of_cgroups", open: () => openDirectory(cgroupRoot() ?? "") },
} as const;

for (const type of ["sk_storage", "task_storage", "inode_storage", "cgrp_storage"] as const) {
  const { map: name, open } = owners[type];
  kernelTest(`${type}: a value for each thing, by its descriptor`, {
    needs: {
      capabilities: [21],
      unless: () =>
        missingFeature("map", type) ??
          (type === "cgrp_storage" && cgroupRoot() === undefined
            ? "cgroup version 2 is not mounted"
            : undefined),
    },
  }, async () => {
    using object = await load([name]);
    const map = object.map<StorageMap<Point>>(name);
    const fd = open();
    assert(fd >= 0, `${fd}`);
    try {
      assertEquals(map.get(fd), undefined);
      map.set({ fd }, { x: 1, y: -2 }, { mode: "create" });
      assertEquals(map.get({ fd }), { x: 1, y: -2 });
      assertThrows(() => map.set(fd, { x: 0, y: 0 }, { mode: "create" }), KernelError, "EEXIST");
      map.set(fd, { x: 3, y: 4 }, { mode: "replace" });
      assertEquals([map.has(fd), map.get(fd)], [true, { x: 3, y: 4 }]);
      assertThrows(() => map.set(fd, { x: 1 } as never), SkepError, "member y is missing");
      assertThrows(() => map.get("this" as never), SkepError, "a whole number");
      assertThrows(() => [...object.maps.get(name)], SkepError, "iterator program");
      assertEquals([map.delete(fd), map.delete(fd)], [true, false]);
    } finally {
      kernel.close(fd);
    }
    assertThrows(() => map.get(1_000_000), KernelError, "EBADF");
  });
}

kernelTest("stack_trace: a recorded stack is its addresses", {
  needs: { capabilities: [38] },
}, async () => {
  using object = await load(["stacks"], "record_stack");
  const map = object.map<KeyedMap<number, bigint[]>>("stacks");
  object.programs.get("record_stack").testRun({ context: new Uint8Array(16) });
  const id = object.variable<number>("last_stack").get();
  assert(id >= 0, `bpf_get_stackid answers ${id}`);
  const stack = map.get(id);
  assert(
    stack !== undefined && stack.length > 1 && stack.every((address) => address >> 63n === 1n),
  );
  assertEquals([...map], [[id, stack]]);
  assertThrows(() => map.set(id, [] as never), SkepError, "1016 bytes");
  assertEquals(map.delete(id), true);
  assertEquals(map.get(id), undefined);
});

kernelTest("cgroup_storage: values of a program's cgroups", {
  needs: {
    root: true,
    unless: () => cgroupRoot() === undefined ? "cgroup version 2 is not mounted" : undefined,
  },
}, () =>
  inCgroup(async (path) => {
    using object = await load(["by_cgroup", "by_cgroup_and_cpu"], "count_egress");
    using _link = object.programs.get("count_egress").attach({ cgroup: path });
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using _client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using _server = await listener.accept();
    const map = object.map<
      KeyedMap<{ cgroup_inode_id: bigint; attach_type: number }, bigint>
    >("by_cgroup");
    const [element, ...more] = map;
    assertEquals(more, []);
    assert(element !== undefined && element[1] > 0n);
    assertEquals(element[0].cgroup_inode_id, kernel.stat(path).inode);
    map.set(element[0], 100n, { mode: "replace" });
    assertEquals(map.get(element[0]), 100n);
    const each = object.map<PerCpuMap<bigint, bigint>>("by_cgroup_and_cpu");
    const counts = each.get(kernel.stat(path).inode);
    assertEquals(counts?.length, kernel.machine.possibleCpus);
    assert((counts?.reduce((sum, count) => sum + count, 0n) ?? 0n) > 0n);
    // A map without BTF uses the kernel's key struct, with our field names.
    using bare = BpfMap.create<CgroupStorageKey, bigint>({
      type: "cgroup_storage",
      keySize: 16,
      valueSize: 8,
    });
    assertEquals(bare.get({ cgroup: 1n, attachType: 1 }), undefined);
    assertThrows(() => bare.get({ cgroup: 1 } as never), SkepError, "key.cgroup");
  }));
