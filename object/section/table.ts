/**
 * What a program's section name says: its type, its expected attach type, its load flags and where
 * it attaches. libbpf's whole SEC() table, read once into a typed plan.
 *
 * @module
 */

import type {
  AttachSpec,
  IteratorAttachSpec,
  LsmAttachSpec,
  PlainAttachSpec,
  TracepointBtfAttachSpec,
  TracingMultiAttachSpec,
  TrampolineAttachSpec,
} from "./attach_spec.ts";
import type { AttachTypeName, ProgramTypeName } from "../../uapi/enums.ts";
import {
  fixed,
  freplace,
  kprobe,
  kprobeMulti,
  ksyscall,
  moduleAnd,
  NONE,
  rawTracepoint,
  type SectionEntry,
  type TargetReader,
  tracepoint,
  uprobe,
  uprobeMulti,
  usdt,
} from "./targets.ts";

export type * from "./attach_spec.ts";
export { btfTarget } from "./attach_spec.ts";

/** BPF_F_SLEEPABLE: the program may sleep. */
export const BPF_F_SLEEPABLE: number = 1 << 4;
/** BPF_F_XDP_HAS_FRAGS: the program accepts packets in several pieces. */
export const BPF_F_XDP_HAS_FRAGS: number = 1 << 5;

/** What a section name says about the program in it. */
export interface SectionSpec {
  /** The name without a leading `?`. */
  readonly section: string;
  /** `"unspec"` for an unknown section. */
  readonly type: ProgramTypeName;
  /** Absent: 0, without a meaning. */
  readonly expectedAttachType?: AttachTypeName;
  /** BPF_F_… of the load. */
  readonly flags: number;
  /** How it attaches. */
  readonly attach: AttachSpec;
  /** False after a leading `?`. */
  readonly autoload: boolean;
  /** Whether libbpf knows the section. */
  readonly known: boolean;
}

interface Entry extends SectionEntry {
  readonly type: ProgramTypeName;
  readonly expectedAttachType?: AttachTypeName;
  readonly flags: number;
  readonly plan: TargetReader;
}

/** Sections whose whole name stands in the table. */
const exact = new Map<string, Entry>();
/** Sections that may go on with `/target`. */
const open = new Map<string, Entry>();

/**
 * Reads a section's name.
 *
 * An unknown name is no error: the program is kept with the type `unspec`, and what is missing is
 * said when it is loaded, as libbpf does.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sectionPlan } from "@skep/skep/object";
 *
 * const { type, attach } = sectionPlan("tp/sched/sched_switch");
 * assertEquals(type, "tracepoint");
 * assertEquals(attach.kind === "tracepoint" && attach.name, "sched_switch");
 * ```
 */
export function sectionPlan(sectionName: string): SectionSpec {
  const autoload = !sectionName.startsWith("?");
  const section = autoload ? sectionName : sectionName.slice(1);
  const slash = section.indexOf("/");
  const head = slash < 0 ? section : section.slice(0, slash);
  const entry = exact.get(section) ?? open.get(head);
  if (entry === undefined) {
    return { section, type: "unspec", flags: 0, attach: NONE, autoload, known: false };
  }
  // "kprobe/" has an empty target, which is no target.
  const target = slash < 0 || slash === section.length - 1 ? undefined : section.slice(slash + 1);
  return {
    section,
    type: entry.type,
    ...(entry.expectedAttachType === undefined
      ? {}
      : { expectedAttachType: entry.expectedAttachType }),
    flags: entry.flags,
    attach: entry.plan(target, entry),
    autoload,
    known: true,
  };
}

/** Every section name that is known, with a closing `+` where a `/target` may follow. */
export function knownSections(): string[] {
  return [...exact.keys(), ...[...open.keys()].map((name) => `${name}+`)];
}

interface Extras {
  readonly attach?: AttachTypeName;
  readonly flags?: number;
}

function add(
  table: Map<string, Entry>,
  names: string,
  type: ProgramTypeName,
  plan: TargetReader,
  { attach, flags = 0 }: Extras = {},
): void {
  for (const name of names.split(" ")) {
    table.set(name, {
      name,
      type,
      ...(attach === undefined ? {} : { expectedAttachType: attach }),
      flags,
      plan,
    });
  }
}

/** Sections that come in a second form `.s`, for programs that may sleep. */
function addSleepable(
  names: string,
  type: ProgramTypeName,
  plan: TargetReader,
  extras?: Extras,
): void {
  add(open, names, type, plan, extras);
  const sleepable = names.split(" ").map((name) => `${name}.s`).join(" ");
  add(open, sleepable, type, plan, { ...extras, flags: BPF_F_SLEEPABLE });
}

/** A hook of a kind whose target the user gives. */
function needsTarget(kind: PlainAttachSpec["kind"]): TargetReader {
  return fixed({ kind, attachable: "needs-target" });
}

const SOCKET = needsTarget("socket");
const REUSEPORT = needsTarget("reuseport");
const CGROUP = fixed({ kind: "cgroup", attachable: "needs-target" });

add(exact, "socket", "socket_filter", SOCKET);
add(exact, "sk_reuseport/migrate", "sk_reuseport", REUSEPORT, {
  attach: "sk_reuseport_select_or_migrate",
});
add(exact, "sk_reuseport", "sk_reuseport", REUSEPORT, { attach: "sk_reuseport_select" });

add(open, "kprobe kretprobe", "kprobe", kprobe);
addSleepable("uprobe uretprobe", "kprobe", uprobe);
add(open, "kprobe.multi kretprobe.multi", "kprobe", kprobeMulti, { attach: "trace_kprobe_multi" });
add(open, "kprobe.session", "kprobe", kprobeMulti, { attach: "trace_kprobe_session" });
addSleepable("uprobe.multi uretprobe.multi", "kprobe", uprobeMulti, {
  attach: "trace_uprobe_multi",
});
addSleepable("uprobe.session", "kprobe", uprobeMulti, { attach: "trace_uprobe_session" });
add(open, "ksyscall kretsyscall", "kprobe", ksyscall);
addSleepable("usdt", "kprobe", usdt);

for (const direction of ["ingress", "egress"] as const) {
  add(
    exact,
    `tc/${direction} tcx/${direction}`,
    "sched_cls",
    fixed({ kind: "tcx", attachable: "needs-target", direction }),
    { attach: `tcx_${direction}` },
  );
}
add(exact, "tc classifier", "sched_cls", needsTarget("tc"));
add(exact, "action", "sched_act", needsTarget("tc"));
for (const side of ["primary", "peer"] as const) {
  const plan = { kind: "netkit", attachable: "needs-target", peer: side === "peer" } as const;
  add(exact, `netkit/${side}`, "sched_cls", fixed(plan), { attach: `netkit_${side}` });
}

addSleepable("tracepoint tp", "tracepoint", tracepoint);
addSleepable("raw_tracepoint raw_tp", "raw_tracepoint", rawTracepoint);
add(open, "raw_tracepoint.w raw_tp.w", "raw_tracepoint_writable", rawTracepoint);
addSleepable("tp_btf", "tracing", moduleAnd<TracepointBtfAttachSpec>("tp_btf", "name"), {
  attach: "trace_raw_tp",
});
for (
  const [name, attach] of [
    ["fentry", "trace_fentry"],
    ["fexit", "trace_fexit"],
    ["fmod_ret", "modify_return"],
    ["fsession", "trace_fsession"],
  ] as const
) {
  addSleepable(name, "tracing", moduleAnd<TrampolineAttachSpec>(name, "function"), {
    attach,
  });
}
for (
  const [at, attach] of [
    ["fentry", "trace_fentry_multi"],
    ["fexit", "trace_fexit_multi"],
    ["fsession", "trace_fsession_multi"],
  ] as const
) {
  const reader = moduleAnd<TracingMultiAttachSpec>("tracing_multi", "pattern", { at });
  addSleepable(`${at}.multi`, "tracing", reader, { attach });
}
add(open, "freplace", "ext", freplace);
addSleepable("lsm", "lsm", moduleAnd<LsmAttachSpec>("lsm", "hook"), { attach: "lsm_mac" });
{
  // The hook is named but the cgroup is not.
  const reader = moduleAnd<LsmAttachSpec>("lsm_cgroup", "hook");
  add(
    open,
    "lsm_cgroup",
    "lsm",
    (target, entry) => ({ ...reader(target, entry), attachable: "needs-target" }),
    { attach: "lsm_cgroup" },
  );
}
addSleepable("iter", "tracing", moduleAnd<IteratorAttachSpec>("iter", "target"), {
  attach: "trace_iter",
});
add(exact, "syscall", "syscall", fixed({ kind: "syscall", attachable: "no" }), {
  flags: BPF_F_SLEEPABLE,
});

for (
  const [suffix, at, attach] of [
    ["", "device", "xdp"],
    ["/devmap", "devmap", "xdp_devmap"],
    ["/cpumap", "cpumap", "xdp_cpumap"],
  ] as const
) {
  const attachable = at === "device" ? "needs-target" : "no";
  const plan = fixed({ kind: "xdp", attachable, at });
  add(exact, `xdp${suffix}`, "xdp", plan, { attach });
  add(exact, `xdp.frags${suffix}`, "xdp", plan, { attach, flags: BPF_F_XDP_HAS_FRAGS });
}

add(exact, "perf_event", "perf_event", needsTarget("perf_event"));
for (const hook of ["in", "out", "xmit", "seg6local"] as const) {
  add(
    exact,
    `lwt_${hook}`,
    `lwt_${hook}`,
    fixed({ kind: "lwt", attachable: "needs-target", hook }),
  );
}
add(exact, "sockops", "sock_ops", CGROUP, { attach: "cgroup_sock_ops" });
for (const hook of ["stream_parser", "stream_verdict", "verdict"] as const) {
  const plan = { kind: "sockmap", attachable: "needs-target", hook } as const;
  add(exact, `sk_skb/${hook}`, "sk_skb", fixed(plan), { attach: `sk_skb_${hook}` });
}
add(exact, "sk_skb", "sk_skb", fixed({ kind: "sockmap", attachable: "needs-target" }));
add(exact, "sk_msg", "sk_msg", needsTarget("sk_msg"), { attach: "sk_msg_verdict" });
add(exact, "lirc_mode2", "lirc_mode2", needsTarget("lirc"), { attach: "lirc_mode2" });
add(
  exact,
  "flow_dissector",
  "flow_dissector",
  fixed({ kind: "netns", attachable: "needs-target", hook: "flow_dissector" }),
  { attach: "flow_dissector" },
);

for (const direction of ["ingress", "egress"] as const) {
  add(exact, `cgroup_skb/${direction}`, "cgroup_skb", CGROUP, {
    attach: `cgroup_inet_${direction}`,
  });
}
add(exact, "cgroup/skb", "cgroup_skb", CGROUP);
add(exact, "cgroup/sock_create cgroup/sock", "cgroup_sock", CGROUP, {
  attach: "cgroup_inet_sock_create",
});
add(exact, "cgroup/sock_release", "cgroup_sock", CGROUP, { attach: "cgroup_inet_sock_release" });
for (const family of ["4", "6"] as const) {
  add(exact, `cgroup/post_bind${family}`, "cgroup_sock", CGROUP, {
    attach: `cgroup_inet${family}_post_bind`,
  });
  for (const hook of ["bind", "connect", "getpeername", "getsockname"] as const) {
    add(exact, `cgroup/${hook}${family}`, "cgroup_sock_addr", CGROUP, {
      attach: `cgroup_inet${family}_${hook}`,
    });
  }
  for (const hook of ["sendmsg", "recvmsg"] as const) {
    add(exact, `cgroup/${hook}${family}`, "cgroup_sock_addr", CGROUP, {
      attach: `cgroup_udp${family}_${hook}`,
    });
  }
}
for (const hook of ["connect", "sendmsg", "recvmsg", "getpeername", "getsockname"] as const) {
  add(exact, `cgroup/${hook}_unix`, "cgroup_sock_addr", CGROUP, { attach: `cgroup_unix_${hook}` });
}
add(exact, "cgroup/sysctl", "cgroup_sysctl", CGROUP, { attach: "cgroup_sysctl" });
for (const hook of ["getsockopt", "setsockopt"] as const) {
  add(exact, `cgroup/${hook}`, "cgroup_sockopt", CGROUP, { attach: `cgroup_${hook}` });
}
add(exact, "cgroup/dev", "cgroup_device", CGROUP, { attach: "cgroup_device" });

addSleepable("struct_ops", "struct_ops", fixed({ kind: "struct_ops", attachable: "no" }));
add(
  exact,
  "sk_lookup",
  "sk_lookup",
  fixed({ kind: "netns", attachable: "needs-target", hook: "sk_lookup" }),
  { attach: "sk_lookup" },
);
add(exact, "netfilter", "netfilter", needsTarget("netfilter"), { attach: "netfilter" });
