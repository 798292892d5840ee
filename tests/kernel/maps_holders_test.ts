import { assert, assertEquals, assertThrows } from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { native } from "../../kernel/linux/ffi/native.ts";
import {
  type ArrayMap,
  BpfMap,
  BpfObject,
  type CpuTarget,
  type DeviceTarget,
  type MapCreateOptions,
} from "../../loader/mod.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import bytes from "../fixtures/maps.bpf.o" with { type: "bytes" };
import { cgroupRoot, inNetworkNamespace, openDirectory, openSocket } from "../support/hooks.ts";
import { kernelTest, missingFeature } from "../support/kernel.ts";
import { AF_XDP, SO_REUSEPORT, SOCK_RAW, SOL_XDP, XDP_RX_RING } from "../../uapi/sockets.ts";
import { systemCalls } from "../../kernel/linux/ffi/syscalls.ts";

const kernel = linuxKernel();
const root = { needs: { root: true } } as const;

function array(valueSize = 4): ArrayMap<number, number> {
  return BpfMap.create<number, number>({ type: "array", valueSize, maxEntries: 1 });
}

/** Loads one program of the fixture. */
function loadProgram(name: string): Promise<BpfObject> {
  const spec = ObjectSpec.parse(bytes, { name: "maps.bpf.o" });
  for (const program of spec.programs) program.autoload = program.name === name;
  const data = [".rodata", ".data", ".bss"];
  for (const map of spec.maps) map.autocreate = data.includes(map.name);
  return BpfObject.load(spec, { token: false });
}

for (const type of ["array_of_maps", "hash_of_maps"] as const) {
  kernelTest(`${type}: maps go in, ids come out, and are opened`, {
    needs: { capabilities: [21] },
  }, () => {
    using first = array();
    using second = array();
    using outer = BpfMap.create<number>({ type, keySize: 4, maxEntries: 4, inner: first });
    outer.set(0, first).set(2, second);
    assertEquals([outer.get(0), outer.get(1), outer.get(2)], [
      first.info().id,
      undefined,
      second.info().id,
    ]);
    outer.set(2, first.fd);
    assertEquals(outer.get(2), first.info().id);
    outer.setAll([[1, second], [2, second]]);
    assertEquals(
      new Map(outer),
      new Map([0, 1, 2].map((key) => [key, (key === 0 ? first : second).info().id] as const)),
    );
    {
      using inner = outer.openInner(1);
      inner?.set(0, 42);
    }
    assertEquals(second.get(0), 42);
    assertEquals(outer.openInner(3), undefined);
    assertEquals(outer.delete(1), true);
    assertEquals(outer.get(1), undefined);
    using other = array(8);
    assertThrows(() => outer.set(1, other), KernelError, "EINVAL");
    assertThrows(() => outer.set(1, "first" as never), SkepError, "a whole number of 32 bits");
  });
}

kernelTest("prog_array: programs go in, ids come out", async () => {
  using object = await loadProgram("use_settings");
  using map = BpfMap.create<number, number>({ type: "prog_array", maxEntries: 3 });
  const program = object.programs.get("use_settings");
  map.set(1, program);
  assertEquals([map.get(0), map.get(1)], [undefined, program.info().id]);
  assertEquals([...map], [[1, program.info().id]]);
  assertEquals([map.delete(1), map.delete(1)], [true, false]);
  using other = array();
  assertThrows(() => map.set(0, other), KernelError, "EINVAL");
});

kernelTest("devmap: an interface and a program, by name", root, async () => {
  using object = await loadProgram("at_device");
  const program = object.programs.get("at_device");
  await inNetworkNamespace(() => {
    const ifindex = kernel.interfaceIndex("lo");
    for (const type of ["devmap", "devmap_hash"] as const) {
      using map = BpfMap.create<number, DeviceTarget>({ type, maxEntries: 4 });
      map.set(1, { ifindex }).set(2, { ifindex, program });
      assertEquals(map.get(1), { ifindex, program: 0 });
      assertEquals(map.get(2), { ifindex, program: program.info().id });
      assertEquals([...map.keys()].toSorted(), [1, 2]);
      assertEquals(map.delete(2), true);
      assertEquals(map.get(2), undefined);
      assertThrows(() => map.set(1, { ifindex: 999_999 }), KernelError, "EINVAL");
      assertThrows(() => map.set(1, { interface: 1 } as never), SkepError, "value.ifindex");
      assertThrows(() => map.set(1, { ifindex, prog: 3 } as never), SkepError, "prog");
      assertThrows(() => map.set(1, { ifindex, program: "x" as never }), SkepError, "program");
      using plain = BpfMap.create<number, DeviceTarget>({ type, valueSize: 4, maxEntries: 4 });
      plain.set(0, { ifindex }).set(1, ifindex as never);
      assertEquals([...plain.values()], [{ ifindex }, { ifindex }]);
    }
  });
});

kernelTest("cpumap: a queue and a program, by name", async () => {
  using object = await loadProgram("at_cpu");
  const program = object.programs.get("at_cpu");
  using map = BpfMap.create<number, CpuTarget>({ type: "cpumap", maxEntries: 1 });
  map.set(0, { queueSize: 192, program });
  assertEquals(map.get(0), { queueSize: 192, program: program.info().id });
  map.set(0, { queueSize: 64 });
  assertEquals(map.get(0), { queueSize: 64, program: 0 });
  assertThrows(() => map.set(0, { queueSize: 1 << 20 }), KernelError, "EOVERFLOW");
  assertThrows(() => map.set(0, {} as never), SkepError, "value.queueSize");
  assertEquals(map.delete(0), true);
});

/** Creates a listening TCP socket. */
function listener(): number {
  const socket = openSocket();
  assertEquals(kernel.setSocketOption(socket, SO_REUSEPORT, 1), 0);
  assertEquals(kernel.call(systemCalls.listen, socket, 8), 0);
  return socket;
}

for (const type of ["sockmap", "sockhash", "reuseport_sockarray"] as const) {
  kernelTest(
    `${type}: sockets go in, and come back as cookies where there is room`,
    root,
    () =>
      inNetworkNamespace(() => {
        const options: MapCreateOptions = { type, keySize: 4, maxEntries: 4 };
        const socket = listener();
        try {
          using map = BpfMap.create<number, bigint>({ ...options, valueSize: 8 });
          map.set(1, BigInt(socket));
          const cookie = map.get(1);
          assert(cookie !== undefined && cookie > 0n, `${cookie}`);
          assertEquals([...map], [[1, cookie]]);
          assertEquals([map.delete(1), map.delete(1)], [true, false]);
          using narrow = BpfMap.create<number, number>(options);
          narrow.set(2, { fd: socket });
          const error = assertThrows(() => narrow.get(2), KernelError);
          assertEquals(error.errno, "ENOSPC");
          assert(
            error.message.includes("create the map with values of eight bytes"),
            error.message,
          );
          assert([...narrow.keys()].includes(2));
          assertThrows(() => [...narrow.values()], KernelError, "cookies of eight bytes");
          using file = array();
          assertThrows(() => narrow.set(1, file), KernelError);
        } finally {
          kernel.close(socket);
        }
      }),
  );
}

/** Gives the socket a receive ring: newer kernels (7.2) refuse a socket without one. */
function giveReceiveRing(socket: number): void {
  using frame = native().frame();
  assertEquals(
    native().call(systemCalls.setsockopt, socket, SOL_XDP, XDP_RX_RING, frame.words([64]), 4),
    0,
  );
}

kernelTest("xskmap: AF_XDP sockets go in", {
  needs: { root: true, unless: () => missingFeature("map", "xskmap") },
}, () => {
  using map = BpfMap.create<number, number>({ type: "xskmap", maxEntries: 2 });
  const socket = kernel.call(systemCalls.socket, AF_XDP, SOCK_RAW, 0);
  assert(socket >= 0, `${socket}`);
  try {
    giveReceiveRing(socket);
    map.set(1, { fd: socket });
    const other = kernel.call(systemCalls.socket, AF_XDP, SOCK_RAW, 0);
    giveReceiveRing(other);
    assertThrows(() => map.set(1, { fd: other }, { mode: "create" }), KernelError, "EEXIST");
    map.set(1, { fd: other }, { mode: "replace" });
    kernel.close(other);
    assertThrows(() => map.get(1), KernelError, "cannot be read back");
    assertEquals(map.delete(1), true);
    using wrong = array();
    assertThrows(() => map.set(0, wrong), KernelError);
  } finally {
    kernel.close(socket);
  }
});

kernelTest("cgroup_array: cgroups go in", {
  needs: {
    root: true,
    unless: () => cgroupRoot() === undefined ? "cgroup version 2 is not mounted" : undefined,
  },
}, () => {
  using map = BpfMap.create<number, number>({ type: "cgroup_array", maxEntries: 2 });
  const fd = openDirectory(cgroupRoot() ?? "");
  try {
    map.set(1, { fd });
    assertThrows(() => map.get(1), KernelError, "cannot be read back");
    assertEquals([map.delete(1), map.delete(1)], [true, false]);
  } finally {
    kernel.close(fd);
  }
});

kernelTest("perf_event_array: one place for each CPU, for perf events", root, () => {
  using map = BpfMap.create({ type: "perf_event_array" });
  assertEquals(map.maxEntries, kernel.machine.possibleCpus);
  const event = kernel.perfEventOpen({ type: 1, config: 10n, pid: -1, cpu: 0 });
  assert(event >= 0, `${event}`);
  try {
    map.set(0, { fd: event });
    assertThrows(() => map.get(0), KernelError, "cannot be read back");
    assertEquals([map.delete(0), map.delete(0)], [true, false]);
  } finally {
    kernel.close(event);
  }
});
