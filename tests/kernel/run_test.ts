import { assert, assertEquals, assertThrows } from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { BpfObject, enableStatistics } from "../../loader/mod.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import hooks from "../fixtures/hooks.bpf.o" with { type: "bytes" };
import bytes from "../fixtures/maps.bpf.o" with { type: "bytes" };
import { addInterface, inNetworkNamespace, setInterfaceUp, until } from "../support/hooks.ts";
import { isAtLeast } from "../../loader/features/requirements.ts";
import { kernelTest } from "../support/kernel.ts";

const kernel = linuxKernel();
const packet = new Uint8Array(64);

/** Loads the named programs of the fixture, with its data maps only. */
function load(...names: readonly string[]): Promise<BpfObject> {
  const spec = ObjectSpec.parse(bytes, { name: "maps.bpf.o" });
  for (const program of spec.programs) program.autoload = names.includes(program.name);
  for (const map of spec.maps) map.autocreate = map.origin !== "maps";
  return BpfObject.load(spec, { token: false });
}

kernelTest("variables are read and written live by name, structs and arrays too", async () => {
  using object = await load("use_settings");
  const settings = object.variable<{
    name: string;
    mood: string;
    points: { x: number; y: number }[];
    bytes: Uint8Array;
    flag: boolean;
  }>("settings");
  const before = settings.get();
  assertEquals([before.name, before.mood, before.flag], ["start", "CALM", false]);
  settings.set({ ...before, mood: "MERRY", points: [{ x: 1, y: 2 }, { x: 10, y: 4 }] });
  const program = object.programs.get("use_settings");
  assertEquals(program.testRun({ data: packet, repeat: 5 }).returnValue, 2);
  assertEquals(settings.get().points, [{ x: 1, y: 2 }, { x: 15, y: 4 }]);
  const table = object.variable<bigint[]>("table");
  assertEquals(table.get(), [1n, 2n, 8n]);
  table.set([7n, 8n, 9n]);
  program.testRun({ data: packet });
  assertEquals(table.get(), [7n, 8n, 10n]);
  const wrong = assertThrows(
    () => settings.set({ ...before, points: [{ x: 1, y: 2 }, { x: "a" as never, y: 0 }] }),
    SkepError,
  );
  assert(wrong.message.includes("points[1].x"), wrong.message);
  assertThrows(() => table.set([1n, 2n]), SkepError, "3 elements");
});

kernelTest("constants refuse to be written once loaded, and say how", async () => {
  using object = await load("use_settings");
  const origin = object.variable<{ x: number; y: number }>("origin");
  assertEquals([origin.constant, origin.get()], [true, { x: 1, y: -1 }]);
  const error = assertThrows(() => origin.set({ x: 2, y: 2 }), SkepError);
  assertEquals([error.errno, error.stage], ["EPERM", "usage"]);
  assert(error.message.includes("before the load"), error.message);
  assertThrows(
    () => object.maps.get(".rodata").set(0, { origin: { x: 2, y: 2 } }),
    KernelError,
    "EPERM",
  );
  const { memory } = object.maps.get(".rodata");
  // A second freeze: EPERM on newer kernels, EBUSY on 6.1.
  assertThrows(() => object.maps.get(".rodata").freeze(), KernelError);
  assert(memory.length > 0);
});

kernelTest("a refused value leaves the variable as it was", async () => {
  using object = await load("use_settings");
  const settings = object.variables.get("settings");
  const before = settings.get();
  assertThrows(
    () => settings.set({ ...before as object, name: "changed", mood: "SAD" } as never),
    SkepError,
    "mood",
  );
  assertEquals(settings.get(), before);
});

kernelTest("test run: an XDP context by name, data in and out, repeats", async () => {
  using object = await load("use_settings");
  const program = object.programs.get("use_settings");
  const data = Uint8Array.from({ length: 100 }, (_, index) => index);
  const answer = program.testRun({ data, context: {} });
  assertEquals([answer.returnValue, answer.data], [1, data]);
  assertEquals(answer.fields?.["data_end"], 100);
  assertEquals(answer.context.length, 24);
  assertThrows(() => program.testRun({ data, context: { color: 1 } }), SkepError, "color");
  assertThrows(() => program.testRun({ data: new Uint8Array(3) }), KernelError, "EINVAL");
  assertThrows(() => program.testRun({ data, dataOutSize: 10 }), KernelError, "ENOSPC");
  const many = program.testRun({ data, repeat: 1000 });
  assert(many.duration >= 0 && many.duration < 1e6);
});

kernelTest("test run: an skb's context goes in and comes back changed", async () => {
  using object = await load("read_mark");
  const program = object.programs.get("read_mark");
  const answer = program.testRun({ data: packet, context: { mark: 41, cb: [5, 0, 0, 0, 0] } });
  assertEquals([answer.returnValue, answer.fields?.["mark"]], [5, 42]);
  assertThrows(
    () => program.testRun({ data: packet, context: { len: 3 } }),
    KernelError,
    "EINVAL",
  );
});

kernelTest("test run: raw tracepoint arguments, on a CPU", async () => {
  using object = await load("arguments");
  const program = object.programs.get("arguments");
  assertEquals(program.testRun({ context: [40n, 2n] }).returnValue, 42);
  for (const cpu of kernel.machine.onlineCpus) {
    assertEquals(program.testRun({ context: [1n, 2n], cpu }).returnValue, 3);
  }
  assertThrows(() => program.testRun({ context: [1n, 2n], cpu: 100_000 }), KernelError, "ENXIO");
});

kernelTest("test run: a socket look-up and a system call program", {
  needs: { features: [["program", "sk_lookup"], ["program", "syscall"]] },
}, async () => {
  using object = await load("look", "call");
  const look = object.programs.get("look");
  const family = { family: 2, protocol: 6, local_ip4: 0x0100007f, remote_ip4: 0x0100007f };
  assertEquals(look.testRun({ context: { ...family, local_port: 8 } }).returnValue, 1);
  assertEquals(look.testRun({ context: { ...family, local_port: 7 } }).returnValue, 0);
  const call = object.programs.get("call").testRun({ context: { in: 21n } });
  assertEquals([call.returnValue, call.fields], [5, { in: 21n, out: 42n }]);
});

kernelTest("test run: live XDP frames arrive at an interface", {
  needs: {
    root: true,
    unless: () => isAtLeast(kernel.machine.release, "5.18") ? undefined : "needs Linux 5.18",
  },
}, () =>
  inNetworkNamespace(async () => {
    assertEquals(addInterface("skep0", "veth"), 0);
    const ifindex = kernel.interfaceIndex("skep0");
    setInterfaceUp(ifindex);
    using object = await load("use_settings");
    const program = object.programs.get("use_settings");
    object.variable("settings").set(
      { ...object.variable<object>("settings").get(), mood: 2 } as never,
    );
    // XDP_PASS: the frames go up the stack of the interface in the context (ingress_ifindex).
    const received = (): number => {
      const text = new TextDecoder().decode(kernel.readFile("/proc/thread-self/net/dev").bytes);
      return Number(/skep0:\s*(\d+)/.exec(text)?.[1] ?? 0);
    };
    const before = received();
    const answer = program.testRun({
      data: packet,
      context: { ingress_ifindex: ifindex },
      repeat: 256,
      liveFrames: true,
      batchSize: 64,
    });
    assertEquals(answer.data.length, 0);
    assertEquals(object.variable<bigint[]>("table").get()[2], 259n, "the program ran 256 times");
    await until(() => received() >= before, "frames are counted");
  }));

kernelTest("programs that cannot be run so say it", async () => {
  const spec = ObjectSpec.parse(hooks, { name: "hooks.bpf.o" });
  for (const program of spec.programs) program.autoload = program.type === "cgroup_sock";
  const wanted = [...spec.programs].find((program) => program.autoload);
  if (wanted === undefined) throw new Error("the fixture has no program of type cgroup_sock");
  using object = await BpfObject.load(spec, { token: false });
  const error = assertThrows(() => object.programs.get(wanted.name).testRun(), KernelError);
  assert(
    error.message.includes("does not support test runs of cgroup_sock programs"),
    error.message,
  );
});

kernelTest("statistics count runs and time while they are on, and only then", {
  needs: { capabilities: [21] },
}, async () => {
  using object = await load("use_settings");
  const program = object.programs.get("use_settings");
  program.testRun({ data: packet, repeat: 10 });
  const off = program.statistics.runCount;
  {
    using _on = enableStatistics();
    program.testRun({ data: packet, repeat: 10 });
    const { runCount, runTime } = program.statistics;
    assertEquals(runCount, off + 10n);
    assert(runTime > 0n);
  }
  program.testRun({ data: packet, repeat: 10 });
  assert(program.statistics.runCount <= off + 20n);
});

kernelTest("what the kernel says of a program names its maps, BTF and code", async () => {
  using object = await load("use_settings");
  const program = object.programs.get("use_settings");
  const info = program.info({ mapIds: true });
  const ids = [...object.maps].map((map) => map.info().id);
  assert(info.mapIds.length > 0 && info.mapIds.every((id) => ids.includes(id)));
  assertEquals([info.name, info.typeName, info.uid, info.gplCompatible], [
    "use_settings",
    "xdp",
    0,
    true,
  ]);
  assert(info.btfId > 0 && info.xlatedLength > 0 && info.loadTime > 0n);
  assertEquals(program.tag, info.tag);
});
