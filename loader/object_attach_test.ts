import { assertEquals, assertThrows } from "@std/assert";
import { FakeKernel } from "../kernel/fake/fake.ts";
import { ObjectSpec } from "../object/object_spec.ts";
import { sectionPlan } from "../object/section/table.ts";
import delegated from "../tests/fixtures/delegated.bpf.o" with { type: "bytes" };
import { AttachError } from "./attach/target/error.ts";
import { BpfObject } from "./object.ts";

/** `counts_calls` as a raw tracepoint, and `entry_address` as an XDP program, which names no interface. */
async function load(): Promise<{ readonly object: BpfObject; readonly kernel: FakeKernel }> {
  const spec = ObjectSpec.parse(delegated, { name: "x.bpf.o" });
  for (const program of spec.programs) {
    const section = { counts_calls: "raw_tp/sys_enter", entry_address: "xdp" }[program.name];
    program.autoload = section !== undefined;
    if (section === undefined) continue;
    const { type, expectedAttachType, attach } = sectionPlan(section);
    Object.assign(program, { section, type, expectedAttachType, attach });
  }
  const kernel = new FakeKernel({ interfaces: { veth0: 4 } });
  return { object: await BpfObject.load(spec, { kernel, token: false, jobs: 1 }), kernel };
}

function attached(kernel: FakeKernel): string[] {
  return kernel.commands()
    .filter((command) => command === "link_create" || command === "raw_tracepoint_open");
}

Deno.test("of shared options, each program takes those that its kind reads", async () => {
  const { object, kernel } = await load();
  using _object = object;
  using links = object.attach({
    cookie: 7n,
    interface: "veth0",
    mode: undefined,
    programs: { entry_address: { mode: "generic" } },
  });
  assertEquals([...links].map(({ kind, target }) => `${kind} ${target}`).sort(), [
    "raw_tracepoint sys_enter",
    "xdp veth0",
  ]);
  assertEquals(attached(kernel).sort(), ["link_create", "raw_tracepoint_open"]);
});

Deno.test("an option that no program reads is refused before anything is attached", async () => {
  const { object, kernel } = await load();
  using _object = object;
  assertThrows(
    () => object.attach({ cookies: [1n] }),
    AttachError,
    'attach x.bpf.o: EINVAL: the programs attached read no option "cookies"; did you mean "cookie"?',
  );
  assertThrows(
    () => object.attach({ interface: "veth0" }),
    AttachError,
    'read no option "interface"; entry_address reads it and is attached only when named: ' +
      "attach({ programs: { entry_address: { interface } } })",
  );
  assertThrows(
    () => object.attach({ programs: { counts_calls: { mode: "generic" } } }),
    AttachError,
    'attach counts_calls: EINVAL: raw_tracepoint programs read no option "mode"',
  );
  assertThrows(
    () => object.attach({ programs: { entry_adress: { interface: "veth0" } } }),
    Error,
    "near it: entry_address",
  );
  assertEquals(attached(kernel), []);
});
