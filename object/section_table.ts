/**
 * What a program's section name says: its type, its expected attach type, its load flags and where
 * it attaches. libbpf's whole SEC() table, read once into a typed plan.
 *
 * @module
 */

import type { AttachTypeName, ProgramTypeName } from "./kernel_enums.ts";

/** BPF_F_SLEEPABLE: the program may sleep. */
export const BPF_F_SLEEPABLE: number = 1 << 4;
/** BPF_F_XDP_HAS_FRAGS: the program accepts packets in several pieces. */
export const BPF_F_XDP_HAS_FRAGS: number = 1 << 5;

/** What every attach plan has. */
interface PlanBase {
  /**
   * `target-named`: attach() needs nothing more. `needs-target`: the section names the kind of hook,
   * the user names the hook. `no`: such a program is never attached by itself.
   */
  readonly attachable: "target-named" | "needs-target" | "no";
  /** Why the target's text cannot be used; attach() says this. */
  readonly problem?: string;
}

/** A probe on a kernel function. */
export interface KprobePlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "kprobe";
  /** The function. */
  readonly function?: string;
  /** Bytes from its start. */
  readonly offset: number;
  /** On return instead of entry. */
  readonly returns: boolean;
}

/** A probe on many kernel functions. */
export interface KprobeMultiPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "kprobe_multi";
  /** A name with `*` and `?`. */
  readonly pattern?: string;
  /** On return instead of entry. */
  readonly returns: boolean;
  /** On both, the entry deciding about the return. */
  readonly session: boolean;
}

/** A probe on a system call, whatever this machine calls its function. */
export interface KsyscallPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "ksyscall";
  /** The bare name: `openat`. */
  readonly syscall?: string;
  /** On return instead of entry. */
  readonly returns: boolean;
}

/** A probe on a function of an executable or library. */
export interface UprobePlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "uprobe";
  /** The file, a bare library name, or `archive.zip!/member`. */
  readonly path?: string;
  /** The function, without its version. */
  readonly function?: string;
  /** The symbol's version, from `function@VERSION` or `function@@VERSION`. */
  readonly version?: string;
  /** Bytes from the function's start. */
  readonly offset: number;
  /** On return instead of entry. */
  readonly returns: boolean;
}

/** A probe on many functions of an executable or library. */
export interface UprobeMultiPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "uprobe_multi";
  /** As for {@linkcode UprobePlan}. */
  readonly path?: string;
  /** A name with `*` and `?`. */
  readonly pattern?: string;
  /** On return instead of entry. */
  readonly returns: boolean;
  /** On both, the entry deciding about the return. */
  readonly session: boolean;
}

/** A statically defined tracepoint of a user-space file. */
export interface UsdtPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "usdt";
  /** As for {@linkcode UprobePlan}. */
  readonly path?: string;
  /** The provider. */
  readonly provider?: string;
  /** The probe's name. */
  readonly name?: string;
}

/** A kernel tracepoint, by way of a perf event. */
export interface TracepointPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "tracepoint";
  /** `sched` of `sched/sched_switch`. */
  readonly category?: string;
  /** `sched_switch`. */
  readonly name?: string;
}

/** A kernel tracepoint with its raw arguments. */
export interface RawTracepointPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "raw_tracepoint";
  /** `sched_switch`. */
  readonly name?: string;
  /** Whether the program may write to the arguments. */
  readonly writable: boolean;
}

/** A kernel tracepoint with typed arguments. */
export interface TracepointBtfPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "tp_btf";
  /** `sched_switch`; its type in the kernel's BTF is `btf_trace_sched_switch`. */
  readonly name?: string;
  /** The module that has it. */
  readonly module?: string;
}

/** Entry, exit or return value of a kernel function (or of a BPF program), through a trampoline. */
export interface TrampolinePlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "fentry" | "fexit" | "fmod_ret" | "fsession";
  /** The function. */
  readonly function?: string;
  /** The module that has it. */
  readonly module?: string;
}

/** Entry and/or exit of many kernel functions, through one trampoline link (Linux 7.x). */
export interface TracingMultiPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "tracing_multi";
  /** Which side. */
  readonly at: "fentry" | "fexit" | "fsession";
  /** A name with `*` and `?`. */
  readonly pattern?: string;
  /** The module that has them. */
  readonly module?: string;
}

/** A function of another BPF program that this one takes the place of. */
export interface FreplacePlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "freplace";
  /** The function in the target program. */
  readonly function?: string;
}

/** A Linux Security Module hook. */
export interface LsmPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "lsm" | "lsm_cgroup";
  /** The hook without `bpf_lsm_`. */
  readonly hook?: string;
  /** The module that has it. */
  readonly module?: string;
}

/** An iterator over kernel objects. */
export interface IteratorPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "iter";
  /** `task`, `bpf_map_elem` … without `bpf_iter_`. */
  readonly target?: string;
  /** The module that has it. */
  readonly module?: string;
}

/** Traffic control with a place among others (Linux 6.6). */
export interface TcxPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "tcx";
  /** Packets coming in or going out. */
  readonly direction: "ingress" | "egress";
}

/** A netkit device. */
export interface NetkitPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "netkit";
  /** Whether on the peer's side. */
  readonly peer: boolean;
}

/** XDP: the earliest hook of a network device, or of a device or CPU map. */
export interface XdpPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "xdp";
  /** `device`: attach to an interface. The others are put into a map's value. */
  readonly at: "device" | "devmap" | "cpumap";
}

/** A cgroup hook; which one is the program's expected attach type. */
export interface CgroupPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "cgroup";
}

/** A network namespace hook. */
export interface NetnsPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "netns";
  /** Which one. */
  readonly hook: "sk_lookup" | "flow_dissector";
}

/** A socket map's verdict or parser. */
export interface SockmapPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "sockmap";
  /** Which one; undefined for a bare `sk_skb`. */
  readonly hook?: "stream_parser" | "stream_verdict" | "verdict";
}

/** A lightweight tunnel's hook, set up through routes. */
export interface TunnelPlan extends PlanBase {
  /** Tells the kind. */
  readonly kind: "lwt";
  /** Which one. */
  readonly hook: "in" | "out" | "xmit" | "seg6local";
}

/** Hooks that have nothing more to say. */
export interface PlainPlan extends PlanBase {
  /**
   * `none`: the section says nothing. `tc`: the classic classifier or action. `struct_ops`: through
   * its map. `syscall`: run by BPF_PROG_TEST_RUN.
   */
  readonly kind:
    | "none"
    | "tc"
    | "netfilter"
    | "sk_msg"
    | "socket"
    | "reuseport"
    | "perf_event"
    | "lirc"
    | "struct_ops"
    | "syscall";
}

/** How a program attaches, told apart by `kind`. Targets that the section leaves out are absent. */
export type AttachPlan =
  | KprobePlan
  | KprobeMultiPlan
  | KsyscallPlan
  | UprobePlan
  | UprobeMultiPlan
  | UsdtPlan
  | TracepointPlan
  | RawTracepointPlan
  | TracepointBtfPlan
  | TrampolinePlan
  | TracingMultiPlan
  | FreplacePlan
  | LsmPlan
  | IteratorPlan
  | TcxPlan
  | NetkitPlan
  | XdpPlan
  | CgroupPlan
  | NetnsPlan
  | SockmapPlan
  | TunnelPlan
  | PlainPlan;

/** What a section name says about the program in it. */
export interface SectionPlan {
  /** The name without a leading `?`. */
  readonly section: string;
  /** `"unspec"` for an unknown section. */
  readonly type: ProgramTypeName;
  /** Absent: 0, without a meaning. */
  readonly expectedAttachType?: AttachTypeName;
  /** BPF_F_… of the load. */
  readonly flags: number;
  /** How it attaches. */
  readonly attach: AttachPlan;
  /** False after a leading `?`. */
  readonly autoload: boolean;
  /** Whether libbpf knows the section. */
  readonly known: boolean;
}

type Reader = (target: string | undefined, entry: Entry) => AttachPlan;

interface Entry {
  readonly name: string;
  readonly type: ProgramTypeName;
  readonly expectedAttachType?: AttachTypeName;
  readonly flags: number;
  readonly plan: Reader;
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
export function sectionPlan(sectionName: string): SectionPlan {
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

/** A type of the kernel's (or a program's) BTF that a program is bound to when it is loaded. */
export interface BtfTarget {
  /** The type's name. */
  readonly name: string;
  /** Its kind. */
  readonly kind: "typedef" | "func";
  /** The module to look in; `vmlinux` is the kernel itself; absent means the kernel, then modules. */
  readonly module?: string;
}

/**
 * The BTF type that a plan is bound to at load (`attach_btf_id`): undefined for plans that have none,
 * `"unnamed"` for plans that need one which the section does not name.
 */
export function btfTarget(plan: AttachPlan): BtfTarget | "unnamed" | undefined {
  const of = (
    name: string | undefined,
    prefix: string,
    kind: BtfTarget["kind"],
    module?: string,
  ): BtfTarget | "unnamed" =>
    name === undefined
      ? "unnamed"
      : { name: prefix + name, kind, ...(module === undefined ? {} : { module }) };
  switch (plan.kind) {
    case "tp_btf":
      return of(plan.name, "btf_trace_", "typedef", plan.module);
    case "fentry":
    case "fexit":
    case "fmod_ret":
    case "fsession":
      return of(plan.function, "", "func", plan.module);
    case "freplace":
      return of(plan.function, "", "func");
    case "lsm":
    case "lsm_cgroup":
      return of(plan.hook, "bpf_lsm_", "func", plan.module);
    case "iter":
      return of(plan.target, "bpf_iter_", "func", plan.module);
    default:
      return undefined;
  }
}

// ---------------------------------------------------------------------------------------------
// Readers of targets.

const NONE: PlainPlan = { kind: "none", attachable: "no" };

/** `target-named` when there is a target, else `needs-target`. */
function named(target: string | undefined): "target-named" | "needs-target" {
  return target === undefined ? "needs-target" : "target-named";
}

function kprobe(target: string | undefined, entry: Entry): KprobePlan {
  const returns = entry.name.startsWith("kret");
  const plan = { kind: "kprobe", attachable: named(target), returns } as const;
  if (target === undefined) return { ...plan, offset: 0 };
  const match = /^([A-Za-z0-9_.]+)(?:\+(0[xX][0-9a-fA-F]+|[0-9]+))?$/.exec(target);
  if (match === null) {
    return {
      ...plan,
      offset: 0,
      problem: `"${target}" does not read as function or function+offset`,
    };
  }
  const offset = Number(match[2] ?? 0);
  return {
    ...plan,
    function: match[1] as string,
    offset,
    ...(returns && offset !== 0 ? { problem: "a return probe takes no offset" } : {}),
  };
}

function kprobeMulti(target: string | undefined, entry: Entry): KprobeMultiPlan {
  const plan = {
    kind: "kprobe_multi",
    attachable: named(target),
    returns: entry.name.startsWith("kret"),
    session: entry.name.includes("session"),
  } as const;
  if (target === undefined) return plan;
  if (!/^[A-Za-z0-9_.*?]+$/.test(target)) {
    return { ...plan, problem: `"${target}" does not read as a function name with * and ?` };
  }
  return { ...plan, pattern: target };
}

function ksyscall(target: string | undefined, entry: Entry): KsyscallPlan {
  return {
    kind: "ksyscall",
    attachable: named(target),
    returns: entry.name.startsWith("kret"),
    ...(target === undefined ? {} : { syscall: target }),
  };
}

function uprobe(target: string | undefined, entry: Entry): UprobePlan {
  const returns = entry.name.startsWith("uret");
  const plan = { kind: "uprobe", attachable: named(target), returns } as const;
  if (target === undefined) return { ...plan, offset: 0 };
  const colon = target.indexOf(":");
  const path = colon < 0 ? target : target.slice(0, colon);
  let symbol = colon < 0 ? "" : target.slice(colon + 1);
  if (path === "" || symbol === "") {
    return { ...plan, path, offset: 0, problem: `"${target}" lacks :function or :function+offset` };
  }
  let offset = 0;
  const plus = /\+(0[xX][0-9a-fA-F]+|[0-9]+)$/.exec(symbol);
  if (plus !== null) {
    offset = Number(plus[1]);
    symbol = symbol.slice(0, plus.index);
  }
  const at = symbol.indexOf("@");
  const version = at < 0 ? undefined : symbol.slice(at).replace(/^@@?/, "");
  return {
    ...plan,
    path,
    function: at < 0 ? symbol : symbol.slice(0, at),
    ...(version === undefined ? {} : { version }),
    offset,
    ...(returns && offset !== 0 ? { problem: "a return probe takes no offset" } : {}),
  };
}

function uprobeMulti(target: string | undefined, entry: Entry): UprobeMultiPlan {
  const plan = {
    kind: "uprobe_multi",
    attachable: named(target),
    returns: entry.name.startsWith("uret"),
    session: entry.name.includes("session"),
  } as const;
  if (target === undefined) return plan;
  const colon = target.indexOf(":");
  if (colon <= 0 || colon === target.length - 1) {
    return { ...plan, problem: `"${target}" does not read as path:pattern` };
  }
  return { ...plan, path: target.slice(0, colon), pattern: target.slice(colon + 1) };
}

function usdt(target: string | undefined): UsdtPlan {
  const plan = { kind: "usdt", attachable: named(target) } as const;
  if (target === undefined) return plan;
  const match = /^([^:]+):([^:]+):([^:]+)$/.exec(target);
  if (match === null) {
    return { ...plan, problem: `"${target}" does not read as path:provider:name` };
  }
  return {
    ...plan,
    path: match[1] as string,
    provider: match[2] as string,
    name: match[3] as string,
  };
}

function tracepoint(target: string | undefined): TracepointPlan {
  const plan = { kind: "tracepoint", attachable: named(target) } as const;
  if (target === undefined) return plan;
  const slash = target.indexOf("/");
  if (slash <= 0 || slash === target.length - 1) {
    return { ...plan, problem: `"${target}" does not read as category/name` };
  }
  return { ...plan, category: target.slice(0, slash), name: target.slice(slash + 1) };
}

function rawTracepoint(target: string | undefined, entry: Entry): RawTracepointPlan {
  return {
    kind: "raw_tracepoint",
    attachable: named(target),
    writable: entry.name.endsWith(".w"),
    ...(target === undefined ? {} : { name: target }),
  };
}

/** Splits `module:name`. */
function inModule(target: string): { readonly module?: string; readonly rest: string } {
  const colon = target.indexOf(":");
  return colon < 0
    ? { rest: target }
    : { module: target.slice(0, colon), rest: target.slice(colon + 1) };
}

/** A reader for plans that have a module and one name, kept under `key`. */
function moduleAnd<P extends AttachPlan>(kind: P["kind"], key: string, more?: object): Reader {
  return (target) => {
    const plan = { kind, attachable: named(target), ...more };
    if (target === undefined) return plan as P;
    const { module, rest } = inModule(target);
    return { ...plan, ...(module === undefined ? {} : { module }), [key]: rest } as unknown as P;
  };
}

function freplace(target: string | undefined): FreplacePlan {
  // The function is named but the program that has it is not: only the user knows it.
  return {
    kind: "freplace",
    attachable: "needs-target",
    ...(target === undefined ? {} : { function: target }),
  };
}

/** A reader for sections without a target. */
function fixed(plan: AttachPlan): Reader {
  return () => plan;
}

// ---------------------------------------------------------------------------------------------
// The table.

interface Extras {
  readonly attach?: AttachTypeName;
  readonly flags?: number;
}

function add(
  table: Map<string, Entry>,
  names: string,
  type: ProgramTypeName,
  plan: Reader,
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
function addSleepable(names: string, type: ProgramTypeName, plan: Reader, extras?: Extras): void {
  add(open, names, type, plan, extras);
  const sleepable = names.split(" ").map((name) => `${name}.s`).join(" ");
  add(open, sleepable, type, plan, { ...extras, flags: BPF_F_SLEEPABLE });
}

/** A hook of a kind whose target the user gives. */
function needsTarget(kind: PlainPlan["kind"]): Reader {
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
addSleepable("tp_btf", "tracing", moduleAnd<TracepointBtfPlan>("tp_btf", "name"), {
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
  addSleepable(name, "tracing", moduleAnd<TrampolinePlan>(name, "function"), {
    attach: attach as AttachTypeName,
  });
}
for (
  const [at, attach] of [
    ["fentry", "trace_fentry_multi"],
    ["fexit", "trace_fexit_multi"],
    ["fsession", "trace_fsession_multi"],
  ] as const
) {
  const reader = moduleAnd<TracingMultiPlan>("tracing_multi", "pattern", { at });
  addSleepable(`${at}.multi`, "tracing", reader, { attach: attach as AttachTypeName });
}
add(open, "freplace", "ext", freplace);
addSleepable("lsm", "lsm", moduleAnd<LsmPlan>("lsm", "hook"), { attach: "lsm_mac" });
{
  // The hook is named but the cgroup is not.
  const reader = moduleAnd<LsmPlan>("lsm_cgroup", "hook");
  add(
    open,
    "lsm_cgroup",
    "lsm",
    (target, entry) => ({ ...reader(target, entry), attachable: "needs-target" }),
    { attach: "lsm_cgroup" },
  );
}
addSleepable("iter", "tracing", moduleAnd<IteratorPlan>("iter", "target"), {
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
