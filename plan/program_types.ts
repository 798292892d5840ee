/**
 * What each program type needs of a token and of capabilities, and how far it reaches.
 *
 * Measured on Linux 6.12, 6.18 and 7.2 with a token that allows everything, one capability taken
 * away at a time.
 *
 * @module
 */

import { AttachType, type AttachTypeName, type ProgramTypeName } from "../uapi/enums.ts";
import { attachTypeReach } from "./attach_types.ts";
import type { BpfCapability, Reach } from "./reach.ts";

/** Facts of a program type. */
export interface ProgramTypeFacts {
  /** Needed for the load, beside `bpf`, which always is. */
  readonly capabilities: readonly BpfCapability[];
  /** Needed to attach it, beside those. */
  readonly attachCapabilities: readonly BpfCapability[];
  /** How far it reaches. */
  readonly reach: Reach;
  /** Whether the kernel checks at load that the expected attach type fits: where not, the attach word constrains nothing. */
  readonly attachTypeChecked: boolean;
  /** Whether it is also loaded without an attach type, although some attach types are for it. */
  readonly loadsPlain: boolean;
  /** What the kernel takes for attach type 0 (`bpf_prog_load_fixup_attach_type`). */
  readonly defaultAttachType: AttachTypeName | undefined;
  /**
   * What the kernel compares with `delegate_attachs` at load: the expected attach type, or for struct_ops
   * the number of the member, which is sent in its place.
   */
  readonly attachWord: "attach-type" | "member";
}

const NET: readonly BpfCapability[] = ["net_admin"];
const PERF: readonly BpfCapability[] = ["perfmon"];
const BOTH: readonly BpfCapability[] = ["net_admin", "perfmon"];

/** What most types have. */
const USUAL = {
  capabilities: [],
  attachCapabilities: [],
  attachTypeChecked: false,
  loadsPlain: false,
  defaultAttachType: undefined,
  attachWord: "attach-type",
} satisfies Omit<ProgramTypeFacts, "reach">;

type Row = Pick<ProgramTypeFacts, "reach"> & Partial<ProgramTypeFacts>;

const PROGRAM_TYPES: { readonly [type in ProgramTypeName]: Row } = {
  unspec: { reach: "host" },
  socket_filter: { reach: "own-sockets" },
  kprobe: { capabilities: PERF, reach: "host", loadsPlain: true },
  sched_cls: { capabilities: NET, reach: "network-namespace", loadsPlain: true },
  sched_act: { capabilities: NET, reach: "network-namespace" },
  tracepoint: { capabilities: PERF, reach: "host" },
  xdp: { capabilities: NET, reach: "network-namespace", loadsPlain: true },
  perf_event: { capabilities: PERF, reach: "host" },
  cgroup_skb: { reach: "cgroup", attachTypeChecked: true, attachCapabilities: NET },
  cgroup_sock: {
    capabilities: NET,
    reach: "cgroup",
    attachTypeChecked: true,
    defaultAttachType: "cgroup_inet_sock_create",
  },
  lwt_in: { capabilities: NET, reach: "network-namespace" },
  lwt_out: { capabilities: NET, reach: "network-namespace" },
  lwt_xmit: { capabilities: NET, reach: "network-namespace" },
  sock_ops: { capabilities: NET, reach: "cgroup" },
  sk_skb: { capabilities: NET, reach: "own-sockets", loadsPlain: true },
  cgroup_device: { capabilities: NET, reach: "cgroup" },
  sk_msg: { capabilities: NET, reach: "own-sockets" },
  raw_tracepoint: { capabilities: PERF, reach: "host" },
  cgroup_sock_addr: { capabilities: NET, reach: "cgroup", attachTypeChecked: true },
  lwt_seg6local: { capabilities: NET, reach: "network-namespace" },
  lirc_mode2: { reach: "host" },
  sk_reuseport: {
    reach: "own-sockets",
    attachTypeChecked: true,
    defaultAttachType: "sk_reuseport_select",
  },
  flow_dissector: { capabilities: NET, reach: "network-namespace" },
  cgroup_sysctl: { capabilities: NET, reach: "cgroup" },
  raw_tracepoint_writable: { capabilities: PERF, reach: "host" },
  cgroup_sockopt: { capabilities: NET, reach: "cgroup", attachTypeChecked: true },
  tracing: { capabilities: PERF, reach: "host", attachTypeChecked: true },
  struct_ops: { capabilities: PERF, reach: "host", attachWord: "member" },
  ext: { capabilities: BOTH, reach: "host" },
  lsm: { capabilities: PERF, reach: "host", attachTypeChecked: true },
  sk_lookup: { reach: "network-namespace", attachTypeChecked: true },
  syscall: { reach: "own-sockets" },
  netfilter: { capabilities: NET, reach: "network-namespace", attachTypeChecked: true },
};

/** The facts of a program type; of one that this version does not know, the worst is assumed. */
export function programTypeFacts(type: ProgramTypeName | undefined): ProgramTypeFacts {
  return { ...USUAL, ...PROGRAM_TYPES[type ?? "unspec"] };
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
  return comparedAttachNumber(type, expected === undefined ? 0 : AttachType[expected]);
}

/** {@linkcode comparedAttachType} for the number of an expected attach type. */
export function comparedAttachNumber(type: ProgramTypeName | undefined, number: number): number {
  const { defaultAttachType } = programTypeFacts(type);
  return number === 0 && defaultAttachType !== undefined ? AttachType[defaultAttachType] : number;
}

/** How far a program reaches: as its type, unless its attach type bounds it. */
export function programReach(type: ProgramTypeName, expected: AttachTypeName | undefined): Reach {
  return (expected === undefined ? undefined : attachTypeReach(expected)) ??
    PROGRAM_TYPES[type].reach;
}
