import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import {
  BpfMap,
  BpfObject,
  enableStatistics,
  kernelTypes,
  openObject,
  VerifierError,
  verifyFile,
  verifyFiles,
} from "../../loader/mod.ts";
import type { ObjectSpec } from "../../object/object_spec.ts";
import loading from "../fixtures/loading.bpf.o" with { type: "bytes" };
import pinned from "../fixtures/pinned.bpf.o" with { type: "bytes" };
import structOps from "../fixtures/congestion.bpf.o" with { type: "bytes" };
import tcpConnections from "../../examples/tcp_connections/tcp_connections.bpf.o" with {
  type: "bytes",
};
import { kernelTest, openDescriptors } from "../support/kernel.ts";
import { BPF_FS_MAGIC } from "../../uapi/files.ts";

const kernel = linuxKernel();
const options = { token: false } as const;
const packet = new Uint8Array(64);

function parse(bytes: Uint8Array = loading): Promise<ObjectSpec> {
  return openObject(bytes, { name: "loading.bpf.o" });
}

kernelTest("an object loads, runs and shows what the kernel knows of it", async () => {
  using object = await BpfObject.load(await parse(), options);
  const count = object.programs.get("count");
  assertEquals(count.testRun({ data: packet }).returnValue, 2);
  assertEquals(count.testRun({ data: packet, repeat: 2 }).returnValue, 2);
  const info = count.info({ mapIds: true });
  assertEquals(info.name, "count");
  assertEquals(info.typeName, "xdp");
  assertEquals(info.tag.length, 16);
  assert(info.verifiedInstructions > 0);
  assert(info.funcInfoCount === 2 && info.lineInfoCount > 0 && info.btfId > 0);
  const rodata = object.maps.get(".rodata").info();
  assert(info.mapIds.includes(rodata.id), "constants are shown by every program");
  assertEquals(rodata.name, "loading.rodata");
});

kernelTest(
  "runs are counted while statistics are on",
  { needs: { capabilities: [21] } },
  async () => {
    using object = await BpfObject.load(await parse(), options);
    using _on = enableStatistics();
    const count = object.programs.get("count");
    count.testRun({ data: packet, repeat: 100 });
    assertEquals(count.statistics.runCount, 100n);
    assertEquals(typeof count.statistics.runTime, "bigint");
  },
);

kernelTest("a tail call goes through a program array that the object fills", async () => {
  using object = await BpfObject.load(await parse(), options);
  assertEquals(object.programs.get("jump").testRun({ data: packet }).returnValue, 2);
  assertEquals(object.variables.get("custom").get(), 12);
  object.maps.get("table").set({ id: 1, name: "one" }, { hits: 0n, flags: 0, rest: 0 });
  assertEquals(object.programs.get("jump").testRun({ data: packet }).returnValue, 3);
});

kernelTest("variables are live both ways, and constants closed", async () => {
  const spec = await parse();
  spec.variables.get("answer").set(100);
  using object = await BpfObject.load(spec, options);
  const { variables } = object;
  variables.get("runs").set(7);
  object.programs.get("count").testRun({ data: packet });
  assertEquals(variables.get("runs").get(), 8);
  assertEquals(variables.get("totals").get(), { hits: 105n, flags: 7, rest: 0 });
  assertEquals(variables.get("answer").get(), 100);
  assertEquals(variables.get("greeting").get(), "hello");
  assertThrows(() => variables.get("answer").set(1), SkepError, "before the load");
  assertThrows(() => variables.get("runs").set("many"), SkepError, "runs");
});

kernelTest("a refused program shows the reason beside its C line", async () => {
  const spec = await parse();
  spec.programs.get("careless").autoload = true;
  const error = await assertRejects(() => BpfObject.load(spec, options), VerifierError);
  assertEquals(error.errno, "EACCES");
  assertStringIncludes(error.message, "R0 invalid mem access 'map_value_or_null'");
  assertStringIncludes(error.message, "return one->flags;");
  assertStringIncludes(error.message, "loading.bpf.c:");
  assert(error.log.includes("processed "));
  assert(error.parsed.registers["R0"]?.includes("map_value_or_null"));
});

kernelTest("every program has its outcome when errors are collected", async () => {
  const spec = await parse();
  for (const program of spec.programs) program.autoload = true;
  using object = await BpfObject.load(spec, { ...options, onError: "collect" });
  assertEquals(
    object.outcomes.map(({ program, ok, error }) => `${program.name} ${ok ? "ok" : error?.errno}`),
    ["last ok", "count ok", "jump ok", "careless EACCES", "unknown EINVAL", "nowhere ESRCH"],
  );
});

kernelTest("typed elements of a hash: get, set, modes, delete, iteration", async () => {
  using object = await BpfObject.load(await parse(), options);
  const table = object.maps.get("table");
  const value = { hits: 1n, flags: 2, rest: 3 };
  const key = (id: number): { id: number; name: string } => ({ id, name: `number ${id}` });
  assertEquals(table.get(key(1)), undefined);
  table.set(key(1), value, { mode: "create" });
  assertEquals(table.get(key(1)), value);
  assertThrows(() => table.set(key(1), value, { mode: "create" }), KernelError, "EEXIST");
  assertThrows(() => table.set(key(2), value, { mode: "replace" }), KernelError, "ENOENT");
  assertThrows(() => table.set(key(2), { ...value, flags: "x" }), SkepError, "flags");
  assertEquals(table.take(key(1)), value);
  assertEquals(table.delete(key(1)), false);

  assertEquals(
    table.setAll(Array.from({ length: 500 }, (_, id) => [key(id), value] as const)),
    500,
  );
  assertEquals([...table].length, 500);
  const seen = new Set<number>();
  for (const each of table.keys()) {
    const { id } = each as { id: number };
    assert(!seen.has(id), `${id} came twice`);
    seen.add(id);
    table.delete(each);
  }
  assertEquals(seen.size, 500);
  assertEquals([...table.entries()], []);
  table.setAll([[key(1), value], [key(2), value]]);
  assertEquals(table.clear(), 2);
});

kernelTest("per-CPU values are arrays with one value for each possible CPU", async () => {
  using object = await BpfObject.load(await parse(), options);
  const counters = object.maps.get("counters");
  const cpus = kernel.machine.possibleCpus;
  const values = Array.from(
    { length: cpus },
    (_, cpu) => ({ hits: BigInt(cpu), flags: 0, rest: 1 }),
  );
  counters.set(2, values);
  assertEquals(counters.get(2), values);
  assertEquals([...counters.keys()], [0, 1, 2, 3]);
  assertThrows(() => counters.set(2, []), SkepError, "one for each possible CPU");
});

kernelTest("queues, bloom filters and longest prefixes", async () => {
  using object = await BpfObject.load(await parse(), options);
  const waiting = object.maps.get("waiting");
  waiting.push(1).push(2);
  assertThrows(() => waiting.push(3), KernelError, "E2BIG");
  waiting.push(3, { force: true });
  assertEquals([waiting.peek(), waiting.pop(), waiting.pop(), waiting.pop()], [2, 2, 3, undefined]);
  const seen = object.maps.get("seen");
  seen.push(77n);
  assertEquals(seen.mightContain(77n), true);
  const routes = object.maps.get("routes");
  routes.set({ length: 8, address: new Uint8Array([10, 0, 0, 0]) }, 1);
  routes.set({ length: 16, address: new Uint8Array([10, 1, 0, 0]) }, 2);
  const look = (address: number[]): unknown =>
    routes.get({ length: 32, address: new Uint8Array(address) });
  assertEquals([look([10, 9, 9, 9]), look([10, 1, 2, 3]), look([11, 0, 0, 0])], [1, 2, undefined]);
  assertEquals([...routes.values()].length, 2);
});

kernelTest("a map of maps has the object's inner maps, and takes others", async () => {
  using object = await BpfObject.load(await parse(), options);
  const outer = object.maps.get("outer");
  const ids = [object.maps.get("first").info().id, object.maps.get("second").info().id];
  assertEquals([outer.get(0), outer.get(1), outer.get(2)], [ids[0], undefined, ids[1]]);
  outer.raw.set(
    new Uint8Array([1, 0, 0, 0]),
    new Uint8Array(new Uint32Array([object.maps.get("first").fd]).buffer),
  );
  assertEquals(outer.get(1), ids[0]);
  using inner = outer.openInner(2);
  inner?.set(0, 99);
  assertEquals(object.maps.get("second").get(0), 99);
});

kernelTest("a mappable array is memory", async () => {
  const object = await BpfObject.load(await parse(), options);
  const shared = object.maps.get("shared");
  const { mapping } = shared;
  mapping.big64[3] = 12345n;
  assertEquals(shared.get(3), 12345n);
  shared.set(4, 6n);
  assertEquals(mapping.big64[4], 6n);
  const view = mapping.u8;
  object[Symbol.dispose]();
  assertEquals(view.length, 0, "a stale view reads nothing");
  assertThrows(() => shared.get(3), SkepError, "it was disposed");
});

kernelTest("maps open by id and are frozen for good", async () => {
  using object = await BpfObject.load(await parse(), options);
  const table = object.maps.get("table");
  using same = BpfMap.open(table.info().id, { kernel });
  same.set({ id: 4, name: "four" }, { hits: 1n, flags: 1, rest: 0 });
  assertEquals(table.get({ id: 4, name: "four" }), { hits: 1n, flags: 1, rest: 0 });
  object.maps.get("shared").freeze();
  assertThrows(() => object.maps.get("shared").set(1, 1n), KernelError, "EPERM");
  assertThrows(() => BpfMap.open(0x7fffffff, { kernel }), KernelError, "ENOENT");
});

kernelTest("maps that pin by name outlive the object, and are reused", {
  needs: {
    root: true,
    unless: () =>
      kernel.filesystemType("/sys/fs/bpf") >>> 0 === BPF_FS_MAGIC ? undefined : "needs /sys/fs/bpf",
  },
}, async () => {
  const pinRoot = `/sys/fs/bpf/skep_test_${Deno.pid}`;
  try {
    {
      using object = await BpfObject.load(await parse(pinned), { ...options, pinRoot });
      object.maps.get("kept").set(1, 41);
    }
    using again = await BpfObject.load(await parse(pinned), { ...options, pinRoot });
    assertEquals(again.maps.get("kept").get(1), 41);
    assertEquals(again.programs.get("look").testRun({ data: packet }).returnValue, 41);
    using open = BpfMap.open(`${pinRoot}/kept`, { kernel });
    assertEquals([...open], [[1, 41]]);
    const other = await parse(pinned);
    other.maps.get("stream").maxEntries = 1 << 20;
    const error = await assertRejects(
      () => BpfObject.load(other, { ...options, pinRoot }),
      SkepError,
    );
    assertStringIncludes(error.message, "its max_entries is 8192, the object declares 1048576");
  } finally {
    for (const name of ["kept", "stream"]) kernel.unlink(`${pinRoot}/${name}`);
    kernel.unlink(pinRoot);
  }
});

const structOpsLink = { needs: { feature: ["ability", "struct_ops_link"] } } as const;

kernelTest(
  "a struct_ops table is laid out for this kernel and registered",
  structOpsLink,
  async () => {
    const registered = (): boolean =>
      new TextDecoder().decode(
        kernel.readFile("/proc/sys/net/ipv4/tcp_available_congestion_control").bytes,
      ).includes("skep_test");
    using object = await BpfObject.load(
      await openObject(structOps, { name: "congestion.bpf.o" }),
      options,
    );
    assertEquals(object.programs.names(), ["skep_ssthresh", "skep_cong_avoid", "skep_undo_cwnd"]);
    {
      using links = object.attach();
      assertEquals(links.size, 1);
      assertEquals(registered(), true);
    }
    assertEquals(registered(), false);
  },
);

kernelTest("the kernel's BTF is read once, however many objects need it", async () => {
  const load = async (): Promise<void> => {
    using object = await BpfObject.load(tcpConnections, options);
    assert(object.coreDecisions.length > 0);
    assert(object.coreDecisions.every(({ outcome }) => outcome.kind === "value"));
  };
  await load();
  const { reads } = kernelTypes(kernel);
  await load();
  assertEquals(kernelTypes(kernel).reads, reads);
});

kernelTest("many loads leave no descriptor and no mapping behind", async () => {
  const spec = await parse();
  for (let i = 0; i < 30; i++) {
    using object = await BpfObject.load(spec, options);
    object.variables.get("runs").get();
    object.maps.get("table").get({ id: 1, name: "" });
  }
});

kernelTest("verify tries every program alone and unloads it", async () => {
  const path = new URL("../fixtures/loading.bpf.o", import.meta.url).pathname;
  const report = await verifyFile(path, options);
  assertEquals(report.open, { ok: true });
  assertEquals(report.load, { ok: true }, "programs that are off by default do not count");
  assertEquals(report.maps.find(({ name }) => name === "events"), {
    name: "events",
    type: "ringbuf",
  });
  assertEquals(
    report.programs.map(({ name, ok, errno, stage }) => [name, ok, errno, stage]),
    [
      // Its program array refers to a program that is not loaded when another one is loaded alone.
      ["last", true, undefined, undefined],
      ["count", false, "EBADF", "map"],
      ["jump", false, "EBADF", "map"],
      ["careless", false, "EACCES", "program"],
      ["unknown", false, "EINVAL", "program"],
      ["nowhere", false, "ESRCH", "program"],
    ],
  );
  const [last] = report.programs;
  assert(last?.tag?.length === 16 && (last.verified ?? 0) > 0 && (last.instructions ?? 0) > 0);
});

kernelTest(
  "verify gives its reports in the order of the files, also of those that are none",
  structOpsLink,
  async () => {
    const paths = ["congestion.bpf.o", "absent.bpf.o", "loading.bpf.c", "pinned.bpf.o"]
      .map((name) => new URL(`../fixtures/${name}`, import.meta.url).pathname);
    const before = openDescriptors().size;
    const reports = await Array.fromAsync(verifyFiles(paths.slice(0, 3), options));
    assertEquals(openDescriptors().size, before);
    assertEquals(reports.map(({ object }) => object), paths.slice(0, 3));
    assertEquals(reports.map(({ open }) => open.ok), [true, false, false]);
    assertEquals(reports.map(({ open }) => open.errno), [undefined, "ENOENT", "ENOEXEC"]);
    assertEquals(reports[0]?.programs.every(({ ok }) => ok), true);
  },
);
