/**
 * What each program type asks for inside the user namespace, and how far its holder can reach.
 *
 * Measured on Linux 6.12, 6.18 and 7.2 with a token that allows everything, one capability taken
 * away at a time.
 *
 * @module
 */

import { mapTypeTraits } from "../object/spec/map_traits.ts";
import {
  AttachType,
  type AttachTypeName,
  type MapTypeName,
  type ProgramTypeName,
} from "../uapi/enums.ts";
import { CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN } from "../uapi/processes.ts";

/** A capability that is looked for in the token's user namespace. CAP_SYS_ADMIN there stands for the first three. */
export type BpfCapability = "bpf" | "net_admin" | "perfmon" | "sys_admin";

/** In the order in which they are listed. */
export const BPF_CAPABILITIES: readonly BpfCapability[] = [
  "bpf",
  "net_admin",
  "perfmon",
  "sys_admin",
];

/** The number of each capability, as `/proc/self/status` has it in CapEff. */
export const CAPABILITY_NUMBERS: { readonly [name in BpfCapability]: number } = {
  net_admin: CAP_NET_ADMIN,
  sys_admin: CAP_SYS_ADMIN,
  perfmon: CAP_PERFMON,
  bpf: CAP_BPF,
};

/**
 * How far the holder of a loaded program can make it act.
 *
 * `own-sockets`: on sockets and data that the process has anyway. `network-namespace`: on the traffic
 * of every network namespace that it runs in. `cgroup`: on the processes of every cgroup whose
 * directory it can open. `host`: on the whole machine.
 */
export type Reach = "own-sockets" | "network-namespace" | "cgroup" | "host";

/** From the smallest to the widest. */
export const REACHES: readonly Reach[] = ["own-sockets", "network-namespace", "cgroup", "host"];

/** The wider of two. */
export function widerReach(left: Reach, right: Reach): Reach {
  return REACHES.indexOf(left) >= REACHES.indexOf(right) ? left : right;
}

/** Facts of a program type. */
export interface ProgramTypeFacts {
  /** Needed for the load, beside `bpf`, which always is. */
  readonly capabilities: readonly BpfCapability[];
  /** How far it reaches. */
  readonly reach: Reach;
  /** Whether the kernel checks at load that the expected attach type fits: where not, the attach word constrains nothing. */
  readonly attachTypeChecked: boolean;
}

const NET: readonly BpfCapability[] = ["net_admin"];
const PERF: readonly BpfCapability[] = ["perfmon"];
const BOTH: readonly BpfCapability[] = ["net_admin", "perfmon"];

function facts(
  capabilities: readonly BpfCapability[],
  reach: Reach,
  attachTypeChecked: boolean,
): ProgramTypeFacts {
  return { capabilities, reach, attachTypeChecked };
}

const PROGRAM_TYPES: { readonly [type in ProgramTypeName]: ProgramTypeFacts } = {
  unspec: facts([], "host", false),
  socket_filter: facts([], "own-sockets", false),
  kprobe: facts(PERF, "host", false),
  sched_cls: facts(NET, "network-namespace", false),
  sched_act: facts(NET, "network-namespace", false),
  tracepoint: facts(PERF, "host", false),
  xdp: facts(NET, "network-namespace", false),
  perf_event: facts(PERF, "host", false),
  cgroup_skb: facts([], "cgroup", true),
  cgroup_sock: facts(NET, "cgroup", true),
  lwt_in: facts(NET, "network-namespace", false),
  lwt_out: facts(NET, "network-namespace", false),
  lwt_xmit: facts(NET, "network-namespace", false),
  sock_ops: facts(NET, "cgroup", false),
  sk_skb: facts(NET, "own-sockets", false),
  cgroup_device: facts(NET, "cgroup", false),
  sk_msg: facts(NET, "own-sockets", false),
  raw_tracepoint: facts(PERF, "host", false),
  cgroup_sock_addr: facts(NET, "cgroup", true),
  lwt_seg6local: facts(NET, "network-namespace", false),
  lirc_mode2: facts([], "host", false),
  sk_reuseport: facts([], "own-sockets", true),
  flow_dissector: facts(NET, "network-namespace", false),
  cgroup_sysctl: facts(NET, "cgroup", false),
  raw_tracepoint_writable: facts(PERF, "host", false),
  cgroup_sockopt: facts(NET, "cgroup", true),
  tracing: facts(PERF, "host", true),
  struct_ops: facts(PERF, "host", false),
  ext: facts(BOTH, "host", false),
  lsm: facts(PERF, "host", true),
  sk_lookup: facts([], "network-namespace", true),
  syscall: facts([], "own-sockets", false),
  netfilter: facts(NET, "network-namespace", true),
};

/** What is known of a program type; of one that this version does not know, the worst is assumed. */
export function programTypeFacts(type: ProgramTypeName | undefined): ProgramTypeFacts {
  return PROGRAM_TYPES[type ?? "unspec"];
}

/** What creating a map of the type needs, beside `bpf`. */
export function mapTypeCapabilities(type: MapTypeName | number): readonly BpfCapability[] {
  return mapTypeTraits(type).netAdmin === true ? NET : [];
}

/**
 * The attach type that the kernel compares with `delegate_attachs` at load.
 *
 * 0 is no "none": it is `cgroup_inet_ingress`, and programs that have no attach type need that word.
 * Two program types are fixed up first (`bpf_prog_load_fixup_attach_type`).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { comparedAttachType } from "@skep/skep/token";
 *
 * assertEquals(comparedAttachType("socket_filter", undefined), 0); // cgroup_inet_ingress
 * assertEquals(comparedAttachType("cgroup_sock", undefined), 2); // cgroup_inet_sock_create
 * assertEquals(comparedAttachType("xdp", "xdp"), 37);
 * ```
 */
export function comparedAttachType(
  type: ProgramTypeName,
  expected: AttachTypeName | undefined,
): number {
  const number = expected === undefined ? 0 : AttachType[expected];
  if (number !== 0) return number;
  if (type === "cgroup_sock") return AttachType.cgroup_inet_sock_create;
  if (type === "sk_reuseport") return AttachType.sk_reuseport_select;
  return 0;
}

/** How far a program reaches: of its type, but `lsm_cgroup` is bounded by a cgroup. */
export function programReach(type: ProgramTypeName, expected: AttachTypeName | undefined): Reach {
  return type === "lsm" && expected === "lsm_cgroup" ? "cgroup" : PROGRAM_TYPES[type].reach;
}
