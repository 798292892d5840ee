import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import type { LinkCreate, ProgramLoad } from "../../kernel/kernel.ts";
import { AttachType, ProgramType } from "../../uapi/enums.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import delegated from "../../tests/fixtures/delegated.bpf.o" with { type: "bytes" };
import { DelegationError } from "../../token/explain/delegation_error.ts";
import { BpfObject } from "../object.ts";
import type { LoadOptions } from "./prepare.ts";
import { verifyObject } from "../verify.ts";
import { BPF_FS_MAGIC } from "../../uapi/files.ts";

const PATH = "/sys/fs/bpf";

function fake(): FakeKernel {
  return new FakeKernel({ filesystems: { [PATH]: BPF_FS_MAGIC } });
}

function parse(...programs: string[]): ObjectSpec {
  const spec = ObjectSpec.parse(delegated, { name: "x.bpf.o" });
  for (const name of programs) spec.programs.get(name).autoload = true;
  return spec;
}

function load(kernel: FakeKernel, spec: ObjectSpec, options: LoadOptions = {}): Promise<BpfObject> {
  return BpfObject.load(spec, { kernel, token: PATH, jobs: 1, ...options });
}

function loaded(kernel: FakeKernel): (readonly [string, string, string])[] {
  const typeName = (number: number): string =>
    Object.entries(ProgramType).find(([, value]) => value === number)?.[0] ?? "?";
  const attachName = (number: number): string =>
    Object.entries(AttachType).find(([, value]) => value === number)?.[0] ?? "?";
  return kernel.calls.filter(({ command }) => command === "prog_load")
    .map(({ attributes }) => attributes as ProgramLoad)
    .map(({ name, type, expectedAttachType }) =>
      [name ?? "", typeName(type), attachName(expectedAttachType ?? 0)] as const
    );
}

Deno.test("with a token, a kprobe is loaded and linked as kprobe.multi with its cookie", async () => {
  const kernel = fake();
  const spec = parse("entry_address", "return_address", "system_call");
  using object = await load(kernel, spec);
  const form = ["kprobe", "trace_kprobe_multi"] as const;
  assertEquals(loaded(kernel), [
    ["entry_address", ...form],
    ["return_address", ...form],
    ["system_call", ...form],
  ]);
  using link = object.programs.get("return_address").attach({ cookie: 7n });
  assertEquals([link.kind, link.target], ["kretprobe.multi", "1 functions"]);
  const call = kernel.calls.findLast(({ command }) => command === "link_create");
  assertEquals((call?.attributes as LinkCreate).extra, {
    kind: "kprobe-multi",
    flags: 1,
    symbols: ["__x64_sys_getpgid"],
    cookies: [7n],
  });
  // The user's spec is not modified.
  assertEquals(spec.programs.get("entry_address").expectedAttachType, undefined);
  assertEquals(object.attachDecisions.map(({ outcome }) => outcome), Array(3).fill("rewritten"));
});

Deno.test("with a token, attach() takes a kprobe's target from its options, but no offset", async () => {
  using object = await load(fake(), parse("entry_address"));
  const program = object.programs.get("entry_address");
  using link = program.attach({ function: "do_unlinkat" });
  assertEquals(link.kind, "kprobe.multi");
  assertThrows(
    () => program.attach({ offset: 4 }),
    Error,
    "only the first instruction of functions",
  );
});

Deno.test("without a token, and as written, nothing is changed", async () => {
  for (const options of [{ token: false }, { rewrite: "never" }] as const) {
    const kernel = fake();
    const spec = parse("entry_address", "reads_call", "user_call");
    using object = await load(kernel, spec, options);
    assertEquals(loaded(kernel).map(([name, type, attach]) => `${name} ${type} ${attach}`), [
      "reads_call tracepoint cgroup_inet_ingress",
      "entry_address kprobe cgroup_inet_ingress",
      "user_call kprobe cgroup_inet_ingress",
    ]);
    assertEquals(object.attachDecisions, []);
  }
});

Deno.test("a refused program ends the load before anything is created", async () => {
  const kernel = fake();
  const error = await assertRejects(
    () => load(kernel, parse("counts_calls", "reads_call")),
    DelegationError,
  );
  assertEquals(error.reason, "perf-event-not-delegable");
  assertStringIncludes(error.message, "load program reads_call: EACCES:");
  assertStringIncludes(error.fix ?? "", 'SEC("tp_btf/sys_enter")');
  assertEquals((error.data["attach"] as { reason: string }).reason, "reads-context");
  for (const command of ["btf_load", "map_create", "prog_load"]) {
    assert(!kernel.commands().includes(command), command);
  }
  assertEquals(kernel.leaks(), []);
});

Deno.test("collected, a refused program is an outcome and the others are loaded", async () => {
  const kernel = fake();
  const spec = parse("counts_calls", "reads_call");
  using object = await load(kernel, spec, { onError: "collect" });
  assertEquals(loaded(kernel).map(([name]) => name), ["counts_calls"]);
  const outcome = object.outcomes.find(({ program }) => program.name === "reads_call");
  assertEquals([outcome?.ok, outcome?.program], [false, spec.programs.get("reads_call")]);
  assert(outcome?.error instanceof DelegationError);
  const other = object.outcomes.find(({ program }) => program.name === "counts_calls");
  assertEquals([other?.ok, other?.program], [true, spec.programs.get("counts_calls")]);
});

Deno.test("programs that are not loaded are not planned", async () => {
  using object = await load(fake(), parse("counts_calls"));
  assertEquals(object.attachDecisions.map(({ program }) => program), ["counts_calls"]);
});

Deno.test("verifying attaches nothing, so it loads programs as written", async () => {
  const kernel = fake();
  const report = await verifyObject("x.bpf.o", parse(), { kernel, token: PATH, jobs: 1 });
  assertEquals(report.load, { ok: true });
  assertEquals(report.programs.filter(({ ok }) => !ok), []);
  const types = new Set(loaded(kernel).map(([, type, attach]) => `${type} ${attach}`));
  assertEquals(types, new Set(["tracepoint cgroup_inet_ingress", "kprobe cgroup_inet_ingress"]));
});
