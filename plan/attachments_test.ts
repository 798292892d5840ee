import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Btf } from "../btf/btf.ts";
import { BtfBuilder } from "../btf/build/builder.ts";
import { sectionPlan } from "../object/section/table.ts";
import type { ProgramSpec } from "../object/spec/spec.ts";
import {
  attachmentFix,
  attachmentJson,
  attachmentText,
  sectionAttachment,
} from "./attachment_text.ts";
import type { AttachDecision } from "./attach_decision.ts";
import { applyAttachment, planAttachment } from "./attachments.ts";
import { plan, type PlanOptions } from "./plan.ts";

/** `r0 = 0; exit`. */
const NOTHING = new Uint8Array([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
/** `r0 = *(u64 *)(r1 + 8); exit`. */
const READS = new Uint8Array([0x79, 0x10, 8, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);

function program(section: string, instructions: Uint8Array<ArrayBuffer> = NOTHING): ProgramSpec {
  const { type, expectedAttachType, flags, attach, autoload } = sectionPlan(section);
  return {
    name: "probe",
    section,
    type,
    expectedAttachType,
    flags,
    attach,
    autoload,
    autoattach: true,
    instructions,
    sectionOffset: 0,
  };
}

function decide(section: string, instructions?: Uint8Array<ArrayBuffer>): AttachDecision {
  return planAttachment(program(section, instructions));
}

/** The program as loaded: type, expected attach type, and a description of the form. */
function form(section: string, instructions?: Uint8Array<ArrayBuffer>): string {
  const decision = decide(section, instructions);
  assert(decision.outcome === "rewritten", attachmentText(decision));
  return `${decision.type} ${decision.expectedAttachType} ${decision.form}`;
}

/** Kernel BTF with some structs, and the tracepoint `tick(int cpu, const struct task *next)`. */
function typesWith(...structs: string[]): Btf {
  const builder = new BtfBuilder();
  for (const name of structs) builder.addStruct(name, 4, []);
  const int = builder.addInt("int", 4, "signed");
  const next = builder.addPointer(builder.addConst(builder.addStruct("task", 4, [])));
  const proto = builder.addFunctionPrototype(0, [
    { name: "__data", type: builder.addPointer(0) },
    { name: "cpu", type: int },
    { name: "next", type: next },
  ]);
  builder.addFunction("__bpf_trace_tick", proto, "static");
  builder.addTypedef("btf_trace_tick", builder.addPointer(proto));
  return Btf.parse(builder.build(), { name: "vmlinux" });
}

Deno.test("a kprobe becomes kprobe.multi on the same function", () => {
  assertEquals(form("kprobe/do_unlinkat"), "kprobe trace_kprobe_multi kprobe.multi/do_unlinkat");
  assertEquals(
    form("kretprobe/do_unlinkat"),
    "kprobe trace_kprobe_multi kretprobe.multi/do_unlinkat",
  );
  assertEquals(form("kprobe"), "kprobe trace_kprobe_multi kprobe.multi");
});

Deno.test("a kprobe within a function is refused: kprobe.multi probes beginnings only", () => {
  const decision = decide("kprobe/do_unlinkat+8");
  assert(decision.outcome === "refused");
  assertEquals(decision.reason, "offset");
  assertEquals(decision.instead, ["kprobe.multi/do_unlinkat"]);
});

Deno.test("a ksyscall becomes kprobe.multi on the machine's function for it", () => {
  assertEquals(form("ksyscall/openat"), "kprobe trace_kprobe_multi kprobe.multi/__x64_sys_openat");
  const arm = planAttachment(program("kretsyscall/openat"), { machine: "aarch64" });
  assert(arm.outcome === "rewritten");
  assertEquals(arm.form, "kretprobe.multi/__arm64_sys_openat");
});

Deno.test("a uprobe becomes uprobe.multi at the same place, with its version's symbol and offset", () => {
  const expected = "kprobe trace_uprobe_multi";
  assertEquals(form("uprobe//bin/true:main"), `${expected} uprobe.multi//bin/true:main`);
  assertEquals(form("uprobe//bin/true:main+4"), `${expected} uprobe.multi//bin/true:main+4`);
  assertEquals(form("uretprobe/libc.so.6:free"), `${expected} uretprobe.multi/libc.so.6:free`);
  assertEquals(form("uprobe.s//bin/true:main"), `${expected} uprobe.multi//bin/true:main`);
  assertEquals(form("uprobe"), `${expected} uprobe.multi`);
});

Deno.test("a USDT probe becomes uprobe.multi at its places", () => {
  assertEquals(
    form("usdt/libc.so.6:libc:setjmp"),
    "kprobe trace_uprobe_multi uprobe.multi/libc.so.6:(libc:setjmp)",
  );
});

Deno.test("a tracepoint program that leaves its context alone becomes raw_tp", () => {
  assertEquals(
    form("tp/sched/sched_switch"),
    "raw_tracepoint undefined raw_tp/sched_switch",
  );
  assertEquals(form("tracepoint"), "raw_tracepoint undefined raw_tp");
});

Deno.test("a tracepoint program that reads its context is refused, with the sections to use instead", () => {
  const decision = decide("tp/sched/sched_switch", READS);
  assert(decision.outcome === "refused");
  assertEquals(decision.reason, "reads-context");
  assertStringIncludes(decision.why, "reads 8 bytes of its context (instruction 0)");
  assertEquals(decision.instead, ["tp_btf/sched_switch", "raw_tp/sched_switch"]);
  assertStringIncludes(attachmentFix(decision), 'use SEC("tp_btf/sched_switch") or');
});

Deno.test("the fix of a refused tracepoint shows its arguments where the kernel's types are known", () => {
  const decision = planAttachment(program("tp/clock/tick", READS), { kernelBtf: typesWith() });
  assert(decision.outcome === "refused");
  assertEquals(decision.prototype, "int BPF_PROG(probe, int cpu, const struct task *next)");
});

Deno.test("events that only perf has are refused even when nothing is read", () => {
  for (
    const [section, instead] of [
      ["tp/syscalls/sys_enter_openat", [
        "tp_btf/sys_enter",
        "kprobe.multi/__x64_sys_openat",
      ]],
      ["tp/syscalls/sys_exit_openat", [
        "tp_btf/sys_exit",
        "kretprobe.multi/__x64_sys_openat",
      ]],
      ["tp/kprobes/mine", []],
      ["tp/synthetic/mine", []],
    ] as const
  ) {
    const decision = decide(section);
    assert(decision.outcome === "refused", section);
    assertEquals(decision.reason, "no-kernel-tracepoint");
    assertEquals(decision.instead, instead);
  }
});

Deno.test("a tracepoint that the kernel's types lack is noted: a module may have it", () => {
  const kernelBtf = typesWith();
  const known = planAttachment(program("tp/clock/tick"), { kernelBtf });
  assertEquals(known.notes, []);
  const unknown = planAttachment(program("tp/clock/tock"), { kernelBtf });
  assertEquals(unknown.outcome, "rewritten");
  assertStringIncludes(unknown.notes.join(), "no tracepoint tock");
});

Deno.test("a form that the kernel is built without is refused", () => {
  const kernelBtf = typesWith("bpf_uprobe_multi_link");
  const kprobe = planAttachment(program("kprobe/do_unlinkat"), { kernelBtf });
  assert(kprobe.outcome === "refused");
  assertEquals(kprobe.reason, "not-built");
  assertStringIncludes(kprobe.why, "CONFIG_FPROBE");
  assertEquals(kprobe.instead, ["fentry/do_unlinkat"]);
  const ksyscall = planAttachment(program("kretsyscall/openat"), { kernelBtf });
  assert(ksyscall.outcome === "refused");
  assertEquals(ksyscall.instead, ["tp_btf/sys_exit"]);
  assertEquals(planAttachment(program("uprobe//a:b"), { kernelBtf }).outcome, "rewritten");
  const whole = typesWith("bpf_uprobe_multi_link", "bpf_kprobe_multi_link");
  assertEquals(planAttachment(program("kprobe/x"), { kernelBtf: whole }).outcome, "rewritten");
});

Deno.test("programs that need no perf event stay as they are, and nobody asks for the kernel's types", () => {
  const sections = [
    "kprobe.multi/x*",
    "kprobe.session/x*",
    "uprobe.multi//a:b",
    "raw_tp/sched_switch",
    "tp_btf/sched_switch",
    "fentry/do_unlinkat",
    "xdp",
    "iter/task",
    "perf_event",
  ];
  for (const section of sections) {
    const decision = planAttachment(program(section), {
      kernelBtf: () => {
        throw new Error("asked for");
      },
    });
    assertEquals(decision.outcome, "as-is", section);
  }
  assertStringIncludes(
    decide("perf_event").notes.join(),
    "only to perf events that this process may open itself",
  );
});

Deno.test("without a token everything stays as it is", () => {
  for (const section of ["kprobe/x", "uprobe//a:b", "tp/syscalls/sys_enter_open", "usdt/a:b:c"]) {
    assertEquals(planAttachment(program(section), { token: false }).outcome, "as-is");
  }
});

Deno.test("a target that does not read stays for attach() to tell", () => {
  assertEquals(decide("uprobe//bin/true").outcome, "as-is");
});

Deno.test("a program that is rewritten already, or by hand, stays as it is", () => {
  const written = program("kprobe/do_unlinkat");
  const once = applyAttachment(written, planAttachment(written));
  assertEquals(once.expectedAttachType, "trace_kprobe_multi");
  assertEquals(planAttachment(once).outcome, "as-is");
  const tracepoint = program("tp/sched/sched_switch");
  const raw = applyAttachment(tracepoint, planAttachment(tracepoint));
  assertEquals([raw.type, raw.expectedAttachType], ["raw_tracepoint", undefined]);
  assertEquals(planAttachment(raw).outcome, "as-is");
  // The caller owns the spec, so it must not be changed.
  assertEquals([tracepoint.type, written.expectedAttachType], ["tracepoint", undefined]);
});

Deno.test("a decision is one line for people, and plain JSON", () => {
  assertEquals(
    attachmentText(decide("kprobe/do_unlinkat")),
    'probe: SEC("kprobe/do_unlinkat") is attached as kprobe.multi/do_unlinkat',
  );
  const refused = decide("tp/sched/sched_switch", READS);
  assertEquals(attachmentText(refused).split("\n").length, 1);
  assertEquals(attachmentJson(refused)["reason"], "reads-context");
});

Deno.test("sectionAttachment() says in short what becomes of a section", () => {
  assertEquals(sectionAttachment("kretprobe"), "kretprobe.multi");
  assertEquals(sectionAttachment("tp"), "raw_tp, if the program does not read its context");
  assertEquals(sectionAttachment("xdp"), "xdp");
  assertStringIncludes(
    sectionAttachment("kprobe", { kernelBtf: typesWith() }),
    "no: with a token it must attach as kprobe.multi",
  );
});

function planned(section: string, options?: PlanOptions, code?: Uint8Array<ArrayBuffer>): string {
  const need = plan({ name: "x.bpf.o", maps: [], programs: [program(section, code)] }, options);
  return `${need.programs} ${need.attachments}`;
}

Deno.test("plan() counts the words of the form that is loaded with a token", () => {
  assertEquals(planned("kprobe/do_unlinkat"), "kprobe trace_kprobe_multi");
  assertEquals(planned("uprobe//a:b"), "kprobe trace_uprobe_multi");
  assertEquals(planned("tp/sched/sched_switch"), "raw_tracepoint cgroup_inet_ingress");
});

Deno.test("plan() counts the words as written for libbpf, when asked to, and for what is refused", () => {
  const written = { rewrite: "never" } as const;
  assertEquals(planned("kprobe/do_unlinkat", written), "kprobe cgroup_inet_ingress");
  assertEquals(planned("tp/sched/sched_switch", written), "tracepoint cgroup_inet_ingress");
  assertEquals(planned("tp/sched/sched_switch", {}, READS), "tracepoint cgroup_inet_ingress");
  assertEquals(
    planned("tp/sched/sched_switch", { profile: "libbpf" }),
    "socket_filter,tracepoint cgroup_inet_ingress",
  );
});

Deno.test("plan() says in its notes and its JSON what is attached otherwise", () => {
  const object = {
    name: "x.bpf.o",
    maps: [],
    programs: [program("kprobe/do_unlinkat"), program("tp/sched/sched_switch", READS)],
  };
  const need = plan(object);
  const notes = need.notes.map(({ level, text }) => `${level}: ${text}`);
  const told = 'note: SEC("kprobe/do_unlinkat") is loaded and attached as kprobe.multi/do_unlinkat';
  assert(notes.includes(told), notes.join("\n"));
  assert(notes.some((note) => note.startsWith('warning: SEC("tp/sched/sched_switch") is refused')));
  assertEquals((need.toJSON()["attach"] as unknown[]).length, 2);
  const written = plan(object, { rewrite: "never" });
  assertEquals(written.attachDecisions, []);
  assert(written.notes.some(({ text }) => text.includes("cannot be attached with one")));
});
