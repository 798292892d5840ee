/**
 * Parses a program's SEC() name into its type, expected attach type, load flags and attach spec, by libbpf's
 * table (`section_defs`).
 *
 * @module
 */

import type { AttachKind, AttachSpec, PlainAttachSpec } from "./attach_spec.ts";
import type { AttachTypeName, ProgramTypeName } from "../../uapi/enums.ts";
import {
  fixed,
  freplace,
  inModule,
  kprobe,
  kprobeMulti,
  ksyscall,
  NONE,
  rawTracepoint,
  type SectionEntry,
  type TargetReader,
  tracepoint,
  uprobe,
  uprobeMulti,
  usdt,
} from "./targets.ts";
import { BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS } from "../../uapi/bpf_flags.ts";

/** A parsed section name. */
export interface SectionSpec {
  /** Name without a leading `?`. */
  readonly section: string;
  /** Program type; `"unspec"` for an unknown section. */
  readonly type: ProgramTypeName;
  /** Expected attach type; undefined for sections without one (0 in BPF_PROG_LOAD). */
  readonly expectedAttachType?: AttachTypeName | undefined;
  /** Load flags (BPF_F_…). */
  readonly flags: number;
  /** How and where the program attaches. */
  readonly attach: AttachSpec;
  /** Whether the program is loaded with its object: false with a leading `?`. */
  readonly autoload: boolean;
  /** Whether the section is in libbpf's table. */
  readonly known: boolean;
}

/** A row of the table: the meaning of one section name. */
export interface Entry<Kind extends AttachKind = AttachKind> extends SectionEntry {
  readonly type: ProgramTypeName;
  readonly expectedAttachType: AttachTypeName | undefined;
  readonly flags: number;
  /** Whether `/target` may follow the name. */
  readonly open: boolean;
  readonly read: TargetReader<Kind>;
}

interface Extras {
  readonly attach?: AttachTypeName | undefined;
  readonly flags?: number | undefined;
}

type Rows<Kind extends AttachKind> = readonly Entry<Kind>[];

function rows<Kind extends AttachKind>(
  open: boolean,
  names: string,
  type: ProgramTypeName,
  read: TargetReader<Kind>,
  { attach: expectedAttachType, flags = 0 }: Extras = {},
): Rows<Kind> {
  return names.split(" ").map((name) => ({ name, type, expectedAttachType, flags, open, read }));
}

/** Creates rows for names without a target. */
function exact<Kind extends AttachKind>(
  names: string,
  type: ProgramTypeName,
  read: TargetReader<Kind>,
  extras?: Extras,
): Rows<Kind> {
  return rows(false, names, type, read, extras);
}

/** Creates rows for names that may be followed by `/target`. */
function open<Kind extends AttachKind>(
  names: string,
  type: ProgramTypeName,
  read: TargetReader<Kind>,
  extras?: Extras,
): Rows<Kind> {
  return rows(true, names, type, read, extras);
}

/** Creates rows for names that may be followed by `/target`, each with a `.s` variant for sleepable programs. */
function sleepable<Kind extends AttachKind>(
  names: string,
  type: ProgramTypeName,
  read: TargetReader<Kind>,
  extras?: Extras,
): Rows<Kind> {
  const second = names.split(" ").map((name) => `${name}.s`).join(" ");
  return [
    ...open(names, type, read, extras),
    ...open(second, type, read, { ...extras, flags: BPF_F_SLEEPABLE }),
  ];
}

/** Returns a reader for a kind whose target is given at attach. */
function needsTarget<Kind extends PlainAttachSpec["kind"]>(kind: Kind): TargetReader<Kind> {
  return fixed<Kind>({ kind, attachable: "needs-target" });
}

const DIRECTIONS = ["ingress", "egress"] as const;
const FAMILIES = ["4", "6"] as const;
const CGROUP = fixed<"cgroup">({ kind: "cgroup", attachable: "needs-target" });

/** Creates the rows of programs that attach to a function of the kernel's BTF. */
function trampoline<Kind extends "fentry" | "fexit" | "fmod_ret" | "fsession">(
  kind: Kind,
  attach: AttachTypeName,
): Rows<Kind> {
  const read = inModule<Kind>(({ attachable, name, module }) => ({
    kind,
    attachable,
    function: name,
    module,
  }));
  return sleepable(kind, "tracing", read, { attach });
}

/** All section names of libbpf, by kind of hook. */
const sections: { readonly [Kind in AttachKind]: Rows<Kind> } = {
  none: [],
  kprobe: open("kprobe kretprobe", "kprobe", kprobe),
  kprobe_multi: [
    ...open("kprobe.multi kretprobe.multi", "kprobe", kprobeMulti, {
      attach: "trace_kprobe_multi",
    }),
    ...open("kprobe.session", "kprobe", kprobeMulti, { attach: "trace_kprobe_session" }),
  ],
  ksyscall: open("ksyscall kretsyscall", "kprobe", ksyscall),
  uprobe: sleepable("uprobe uretprobe", "kprobe", uprobe),
  uprobe_multi: [
    ...sleepable("uprobe.multi uretprobe.multi", "kprobe", uprobeMulti, {
      attach: "trace_uprobe_multi",
    }),
    ...sleepable("uprobe.session", "kprobe", uprobeMulti, { attach: "trace_uprobe_session" }),
  ],
  usdt: sleepable("usdt", "kprobe", usdt),
  tracepoint: sleepable("tracepoint tp", "tracepoint", tracepoint),
  raw_tracepoint: [
    ...sleepable("raw_tracepoint raw_tp", "raw_tracepoint", rawTracepoint),
    ...open("raw_tracepoint.w raw_tp.w", "raw_tracepoint_writable", rawTracepoint),
  ],
  tp_btf: sleepable(
    "tp_btf",
    "tracing",
    inModule((target) => ({ kind: "tp_btf", ...target })),
    { attach: "trace_raw_tp" },
  ),
  fentry: trampoline("fentry", "trace_fentry"),
  fexit: trampoline("fexit", "trace_fexit"),
  fmod_ret: trampoline("fmod_ret", "modify_return"),
  fsession: trampoline("fsession", "trace_fsession"),
  tracing_multi: (["fentry", "fexit", "fsession"] as const).flatMap((at) =>
    sleepable(
      `${at}.multi`,
      "tracing",
      inModule<"tracing_multi">(({ attachable, name, module }) => ({
        kind: "tracing_multi",
        attachable,
        at,
        pattern: name,
        module,
      })),
      { attach: `trace_${at}_multi` },
    )
  ),
  freplace: open("freplace", "ext", freplace),
  lsm: sleepable(
    "lsm",
    "lsm",
    inModule(({ attachable, name, module }) => ({ kind: "lsm", attachable, hook: name, module })),
    { attach: "lsm_mac" },
  ),
  lsm_cgroup: open(
    "lsm_cgroup",
    "lsm",
    // The section names the hook, but not the cgroup.
    inModule(({ name, module }) => ({
      kind: "lsm_cgroup",
      attachable: "needs-target",
      hook: name,
      module,
    })),
    { attach: "lsm_cgroup" },
  ),
  iter: sleepable(
    "iter",
    "tracing",
    inModule(({ attachable, name, module }) => ({
      kind: "iter",
      attachable,
      target: name,
      module,
    })),
    { attach: "trace_iter" },
  ),
  tcx: DIRECTIONS.flatMap((direction) =>
    exact(
      `tc/${direction} tcx/${direction}`,
      "sched_cls",
      fixed<"tcx">({ kind: "tcx", attachable: "needs-target", direction }),
      { attach: `tcx_${direction}` },
    )
  ),
  tc: [
    ...exact("tc classifier", "sched_cls", needsTarget("tc")),
    ...exact("action", "sched_act", needsTarget("tc")),
  ],
  netkit: (["primary", "peer"] as const).flatMap((side) =>
    exact(
      `netkit/${side}`,
      "sched_cls",
      fixed<"netkit">({ kind: "netkit", attachable: "needs-target", peer: side === "peer" }),
      { attach: `netkit_${side}` },
    )
  ),
  xdp: ([
    ["", "device", "xdp"],
    ["/devmap", "devmap", "xdp_devmap"],
    ["/cpumap", "cpumap", "xdp_cpumap"],
  ] as const).flatMap(([suffix, at, attach]) => {
    const attachable = at === "device" ? "needs-target" : "no";
    const read = fixed<"xdp">({ kind: "xdp", attachable, at });
    return [
      ...exact(`xdp${suffix}`, "xdp", read, { attach }),
      ...exact(`xdp.frags${suffix}`, "xdp", read, { attach, flags: BPF_F_XDP_HAS_FRAGS }),
    ];
  }),
  cgroup: [
    ...exact("sockops", "sock_ops", CGROUP, { attach: "cgroup_sock_ops" }),
    ...DIRECTIONS.flatMap((direction) =>
      exact(`cgroup_skb/${direction}`, "cgroup_skb", CGROUP, {
        attach: `cgroup_inet_${direction}`,
      })
    ),
    ...exact("cgroup/skb", "cgroup_skb", CGROUP),
    ...exact("cgroup/sock_create cgroup/sock", "cgroup_sock", CGROUP, {
      attach: "cgroup_inet_sock_create",
    }),
    ...exact("cgroup/sock_release", "cgroup_sock", CGROUP, {
      attach: "cgroup_inet_sock_release",
    }),
    ...FAMILIES.flatMap((family) => [
      ...exact(`cgroup/post_bind${family}`, "cgroup_sock", CGROUP, {
        attach: `cgroup_inet${family}_post_bind`,
      }),
      ...(["bind", "connect", "getpeername", "getsockname"] as const).flatMap((hook) =>
        exact(`cgroup/${hook}${family}`, "cgroup_sock_addr", CGROUP, {
          attach: `cgroup_inet${family}_${hook}`,
        })
      ),
      ...(["sendmsg", "recvmsg"] as const).flatMap((hook) =>
        exact(`cgroup/${hook}${family}`, "cgroup_sock_addr", CGROUP, {
          attach: `cgroup_udp${family}_${hook}`,
        })
      ),
    ]),
    ...(["connect", "sendmsg", "recvmsg", "getpeername", "getsockname"] as const).flatMap((hook) =>
      exact(`cgroup/${hook}_unix`, "cgroup_sock_addr", CGROUP, { attach: `cgroup_unix_${hook}` })
    ),
    ...exact("cgroup/sysctl", "cgroup_sysctl", CGROUP, { attach: "cgroup_sysctl" }),
    ...(["getsockopt", "setsockopt"] as const).flatMap((hook) =>
      exact(`cgroup/${hook}`, "cgroup_sockopt", CGROUP, { attach: `cgroup_${hook}` })
    ),
    ...exact("cgroup/dev", "cgroup_device", CGROUP, { attach: "cgroup_device" }),
  ],
  netns: (["flow_dissector", "sk_lookup"] as const).flatMap((hook) =>
    exact(hook, hook, fixed<"netns">({ kind: "netns", attachable: "needs-target", hook }), {
      attach: hook,
    })
  ),
  netfilter: exact("netfilter", "netfilter", needsTarget("netfilter"), { attach: "netfilter" }),
  sockmap: [
    ...(["stream_parser", "stream_verdict", "verdict"] as const).flatMap((hook) =>
      exact(
        `sk_skb/${hook}`,
        "sk_skb",
        fixed<"sockmap">({ kind: "sockmap", attachable: "needs-target", hook }),
        { attach: `sk_skb_${hook}` },
      )
    ),
    ...exact(
      "sk_skb",
      "sk_skb",
      fixed<"sockmap">({ kind: "sockmap", attachable: "needs-target" }),
    ),
  ],
  sk_msg: exact("sk_msg", "sk_msg", needsTarget("sk_msg"), { attach: "sk_msg_verdict" }),
  lwt: (["in", "out", "xmit", "seg6local"] as const).flatMap((hook) =>
    exact(
      `lwt_${hook}`,
      `lwt_${hook}`,
      fixed<"lwt">({ kind: "lwt", attachable: "needs-target", hook }),
    )
  ),
  socket: exact("socket", "socket_filter", needsTarget("socket")),
  reuseport: [
    ...exact("sk_reuseport/migrate", "sk_reuseport", needsTarget("reuseport"), {
      attach: "sk_reuseport_select_or_migrate",
    }),
    ...exact("sk_reuseport", "sk_reuseport", needsTarget("reuseport"), {
      attach: "sk_reuseport_select",
    }),
  ],
  perf_event: exact("perf_event", "perf_event", needsTarget("perf_event")),
  lirc: exact("lirc_mode2", "lirc_mode2", needsTarget("lirc"), { attach: "lirc_mode2" }),
  struct_ops: sleepable(
    "struct_ops",
    "struct_ops",
    fixed({ kind: "struct_ops", attachable: "no" }),
  ),
  syscall: exact("syscall", "syscall", fixed({ kind: "syscall", attachable: "no" }), {
    flags: BPF_F_SLEEPABLE,
  }),
};

/** All rows of the table. */
export const knownEntries: readonly Entry[] = Object.values(sections).flat();
const byName: ReadonlyMap<string, Entry> = new Map(
  knownEntries.map((entry) => [entry.name, entry]),
);

/**
 * Parses a section's name.
 *
 * An unknown name is not an error: the program gets the type `unspec`, and is refused at load, as in libbpf.
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
  // A name with a target matches only rows that allow one.
  const whole = byName.get(section);
  const named = byName.get(head);
  const entry = whole ?? (named?.open === true ? named : undefined);
  if (entry === undefined) {
    return {
      section,
      type: "unspec",
      expectedAttachType: undefined,
      flags: 0,
      attach: NONE,
      autoload,
      known: false,
    };
  }
  // "kprobe/" has an empty target, which counts as none.
  const target = slash < 0 || slash === section.length - 1 ? undefined : section.slice(slash + 1);
  return {
    section,
    type: entry.type,
    expectedAttachType: entry.expectedAttachType,
    flags: entry.flags,
    attach: entry.read(target, entry),
    autoload,
    known: true,
  };
}
