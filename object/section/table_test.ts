import { assertEquals } from "@std/assert";
import { btfTarget } from "./btf_target.ts";
import { AttachType, ProgramType } from "../../uapi/enums.ts";
import { knownSections } from "../../tests/support/sections.ts";
import { sectionPlan } from "./table.ts";

Deno.test("sectionPlan knows types and attach types that the kernel has", () => {
  for (const section of knownSections()) {
    const plan = sectionPlan(section.replace("+", "/x"));
    assertEquals(plan.known, true, section);
    assertEquals(plan.type in ProgramType, true, section);
    if (plan.expectedAttachType === undefined) continue;
    assertEquals(typeof AttachType[plan.expectedAttachType], "number", section);
  }
});

Deno.test("sectionPlan keeps an unknown section without a type", () => {
  for (const section of ["", "xdp/foo", "kprobes", "socket/x", "cgroup", "maps"]) {
    const { known, type, attach } = sectionPlan(section);
    assertEquals([known, type, attach.kind], [false, "unspec", "none"], section);
  }
});

Deno.test("sectionPlan takes a leading question mark as autoload off", () => {
  const { section, autoload, type } = sectionPlan("?xdp");
  assertEquals([section, autoload, type], ["xdp", false, "xdp"]);
});

Deno.test("sectionPlan sets the flags of sleepable programs and of XDP programs with fragments", () => {
  const flags = (section: string): number => sectionPlan(section).flags;
  assertEquals([flags("lsm/x"), flags("lsm.s/x"), flags("syscall")], [0, 16, 16]);
  assertEquals([flags("xdp"), flags("xdp.frags"), flags("xdp.frags/devmap")], [0, 32, 32]);
});

const targets: readonly (readonly [string, object])[] = [
  ["kprobe/do_exit+0x10", { kind: "kprobe", function: "do_exit", offset: 16, returns: false }],
  ["kretprobe/do_exit", { kind: "kprobe", function: "do_exit", offset: 0, returns: true }],
  ["kprobe.multi/vfs_*", {
    kind: "kprobe_multi",
    pattern: "vfs_*",
    returns: false,
    session: false,
  }],
  ["kprobe.session/x", { kind: "kprobe_multi", pattern: "x", returns: false, session: true }],
  ["ksyscall/openat", { kind: "ksyscall", syscall: "openat", returns: false }],
  ["uprobe//bin/sh:readline@@V1+8", {
    kind: "uprobe",
    path: "/bin/sh",
    function: "readline",
    version: "V1",
    offset: 8,
    returns: false,
  }],
  ["uprobe.multi/libc.so.6:mem*", {
    kind: "uprobe_multi",
    path: "libc.so.6",
    pattern: "mem*",
    returns: false,
    session: false,
  }],
  ["usdt/libc.so.6:libc:setjmp", {
    kind: "usdt",
    path: "libc.so.6",
    provider: "libc",
    name: "setjmp",
  }],
  ["tp/sched/sched_switch", { kind: "tracepoint", category: "sched", name: "sched_switch" }],
  ["raw_tp.w/x", { kind: "raw_tracepoint", name: "x", writable: true }],
  ["tp_btf/sched_switch", { kind: "tp_btf", name: "sched_switch" }],
  ["fentry/nf_conntrack:nf_ct_get", {
    kind: "fentry",
    module: "nf_conntrack",
    function: "nf_ct_get",
  }],
  ["fsession.s/f", { kind: "fsession", function: "f" }],
  ["fexit.multi/m:f*", { kind: "tracing_multi", at: "fexit", module: "m", pattern: "f*" }],
  ["lsm/file_open", { kind: "lsm", hook: "file_open" }],
  ["iter.s/task", { kind: "iter", target: "task" }],
];
for (const [section, expected] of targets) {
  Deno.test(`sectionPlan reads ${section}`, () => {
    const { attachable, ...plan } = sectionPlan(section).attach;
    assertEquals(attachable, "target-named");
    assertEquals(JSON.parse(JSON.stringify(plan)), expected);
  });
}

Deno.test("sectionPlan reports an invalid target, and keeps the program", () => {
  for (
    const section of [
      "kprobe/a b",
      "kretprobe/f+4",
      "uprobe//bin/sh",
      "uprobe.multi/x",
      "usdt/a:b",
      "tp/sched",
      "kprobe.multi/a+b",
    ]
  ) {
    const { attach, known } = sectionPlan(section);
    assertEquals([known, attach.problem !== undefined], [true, true], section);
  }
});

Deno.test("btfTarget names the type that a program is bound to at load", () => {
  const target = (section: string): ReturnType<typeof btfTarget> =>
    btfTarget(sectionPlan(section).attach);
  assertEquals(target("tp_btf/x"), { name: "btf_trace_x", kind: "typedef", module: undefined });
  assertEquals(target("lsm/x"), { name: "bpf_lsm_x", kind: "func", module: undefined });
  assertEquals(target("iter/x"), { name: "bpf_iter_x", kind: "func", module: undefined });
  assertEquals(target("fentry/m:f"), { name: "f", kind: "func", module: "m" });
  assertEquals(target("fentry"), "unnamed");
  assertEquals(target("xdp"), undefined);
});
