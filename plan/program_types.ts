/**
 * What each program type needs of a token and of capabilities, and where it attaches.
 *
 * Measured on Linux 6.12, 6.18 and 7.2 with a token that allows everything, dropping one capability
 * at a time.
 *
 * @module
 */

import { AttachType, type AttachTypeName, type ProgramTypeName } from "../uapi/enums.ts";
import { attachTypePlace } from "./attach_types.ts";
import type { AttachPlace, BpfCapability } from "./bpf_capability.ts";

/** Facts of a program type. */
export interface ProgramTypeFacts {
  /** Capabilities to load it, in addition to `bpf`, which is always needed. */
  readonly capabilities: readonly BpfCapability[];
  /** Capabilities to attach it, in addition to those. */
  readonly attachCapabilities: readonly BpfCapability[];
  /** Where its programs attach. */
  readonly attaches: AttachPlace;
  /**
   * Whether the kernel checks the expected attach type at load. If not, the delegated attach type
   * restricts nothing.
   */
  readonly attachTypeChecked: boolean;
  /** Whether it also loads without an attach type, although it has some. */
  readonly loadsPlain: boolean;
  /** The attach type that the kernel substitutes for 0 (`bpf_prog_load_fixup_attach_type`). */
  readonly defaultAttachType: AttachTypeName | undefined;
  /**
   * What the kernel compares with `delegate_attachs` at load: the expected attach type, or for
   * struct_ops the index of the member, which is passed in the same field.
   */
  readonly attachWord: "attach-type" | "member";
}

const NET: readonly BpfCapability[] = ["net_admin"];
const PERF: readonly BpfCapability[] = ["perfmon"];
const BOTH: readonly BpfCapability[] = ["net_admin", "perfmon"];

/** Facts that most types share. */
const USUAL = {
  capabilities: [],
  attachCapabilities: [],
  attachTypeChecked: false,
  loadsPlain: false,
  defaultAttachType: undefined,
  attachWord: "attach-type",
} satisfies Omit<ProgramTypeFacts, "attaches">;

type Row = Pick<ProgramTypeFacts, "attaches"> & Partial<ProgramTypeFacts>;

const PROGRAM_TYPES: { readonly [type in ProgramTypeName]: Row } = {
  unspec: { attaches: "host" },
  socket_filter: { attaches: "sockets" },
  kprobe: { capabilities: PERF, attaches: "host", loadsPlain: true },
  sched_cls: { capabilities: NET, attaches: "network-namespaces", loadsPlain: true },
  sched_act: { capabilities: NET, attaches: "network-namespaces" },
  tracepoint: { capabilities: PERF, attaches: "host" },
  xdp: { capabilities: NET, attaches: "network-namespaces", loadsPlain: true },
  perf_event: { capabilities: PERF, attaches: "host" },
  cgroup_skb: { attaches: "cgroups", attachTypeChecked: true, attachCapabilities: NET },
  cgroup_sock: {
    capabilities: NET,
    attaches: "cgroups",
    attachTypeChecked: true,
    defaultAttachType: "cgroup_inet_sock_create",
  },
  lwt_in: { capabilities: NET, attaches: "network-namespaces" },
  lwt_out: { capabilities: NET, attaches: "network-namespaces" },
  lwt_xmit: { capabilities: NET, attaches: "network-namespaces" },
  sock_ops: { capabilities: NET, attaches: "cgroups" },
  sk_skb: { capabilities: NET, attaches: "sockets", loadsPlain: true },
  cgroup_device: { capabilities: NET, attaches: "cgroups" },
  sk_msg: { capabilities: NET, attaches: "sockets" },
  raw_tracepoint: { capabilities: PERF, attaches: "host" },
  cgroup_sock_addr: { capabilities: NET, attaches: "cgroups", attachTypeChecked: true },
  lwt_seg6local: { capabilities: NET, attaches: "network-namespaces" },
  lirc_mode2: { attaches: "host" },
  sk_reuseport: {
    attaches: "sockets",
    attachTypeChecked: true,
    defaultAttachType: "sk_reuseport_select",
  },
  flow_dissector: { capabilities: NET, attaches: "network-namespaces" },
  cgroup_sysctl: { capabilities: NET, attaches: "cgroups" },
  raw_tracepoint_writable: { capabilities: PERF, attaches: "host" },
  cgroup_sockopt: { capabilities: NET, attaches: "cgroups", attachTypeChecked: true },
  tracing: { capabilities: PERF, attaches: "host", attachTypeChecked: true },
  struct_ops: { capabilities: PERF, attaches: "host", attachWord: "member" },
  ext: { capabilities: BOTH, attaches: "host" },
  lsm: { capabilities: PERF, attaches: "host", attachTypeChecked: true },
  sk_lookup: { attaches: "network-namespaces", attachTypeChecked: true },
  syscall: { attaches: "none" },
  netfilter: { capabilities: NET, attaches: "network-namespaces", attachTypeChecked: true },
};

/** Returns the facts of a program type; for an unknown type, the most demanding ones. */
export function programTypeFacts(type: ProgramTypeName | undefined): ProgramTypeFacts {
  return { ...USUAL, ...PROGRAM_TYPES[type ?? "unspec"] };
}

/**
 * Returns the attach type that the kernel compares with `delegate_attachs` at load.
 *
 * 0 does not mean none: it is `cgroup_inet_ingress`, which programs without an attach type need.
 * The kernel substitutes it for two program types first (`bpf_prog_load_fixup_attach_type`).
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

/** Returns {@linkcode comparedAttachType} for the number of an expected attach type. */
export function comparedAttachNumber(type: ProgramTypeName | undefined, number: number): number {
  const { defaultAttachType } = programTypeFacts(type);
  return number === 0 && defaultAttachType !== undefined ? AttachType[defaultAttachType] : number;
}

/** Returns where a program attaches: as its type does, unless its attach type is narrower. */
export function programAttaches(
  type: ProgramTypeName,
  expected: AttachTypeName | undefined,
): AttachPlace {
  return (expected === undefined ? undefined : attachTypePlace(expected)) ??
    PROGRAM_TYPES[type].attaches;
}
