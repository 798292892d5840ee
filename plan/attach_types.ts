/**
 * For each attach type, the program type that is loaded with it.
 *
 * Source: `bpf_prog_load_check_attach` and `attach_type_to_prog_type` in kernel/bpf/syscall.c; the
 * test compares the table with libbpf's section table.
 *
 * @module
 */

import type { AttachTypeName, ProgramTypeName } from "../uapi/enums.ts";
import type { AttachPlace } from "./bpf_capability.ts";

/** Facts of an attach type. */
export interface AttachTypeFacts {
  /**
   * Program type whose programs are loaded with this expected attach type; undefined for attach
   * types that only BPF_LINK_CREATE takes.
   */
  readonly loadedAs: ProgramTypeName | undefined;
  /** Where its programs attach, when narrower than for their program type. */
  readonly attaches?: AttachPlace | undefined;
}

/** Facts of each attach type. */
export const ATTACH_TYPES: { readonly [name in AttachTypeName]: AttachTypeFacts } = {
  cgroup_inet_ingress: { loadedAs: "cgroup_skb" },
  cgroup_inet_egress: { loadedAs: "cgroup_skb" },
  cgroup_inet_sock_create: { loadedAs: "cgroup_sock" },
  cgroup_sock_ops: { loadedAs: "sock_ops" },
  sk_skb_stream_parser: { loadedAs: "sk_skb" },
  sk_skb_stream_verdict: { loadedAs: "sk_skb" },
  cgroup_device: { loadedAs: "cgroup_device" },
  sk_msg_verdict: { loadedAs: "sk_msg" },
  cgroup_inet4_bind: { loadedAs: "cgroup_sock_addr" },
  cgroup_inet6_bind: { loadedAs: "cgroup_sock_addr" },
  cgroup_inet4_connect: { loadedAs: "cgroup_sock_addr" },
  cgroup_inet6_connect: { loadedAs: "cgroup_sock_addr" },
  cgroup_inet4_post_bind: { loadedAs: "cgroup_sock" },
  cgroup_inet6_post_bind: { loadedAs: "cgroup_sock" },
  cgroup_udp4_sendmsg: { loadedAs: "cgroup_sock_addr" },
  cgroup_udp6_sendmsg: { loadedAs: "cgroup_sock_addr" },
  lirc_mode2: { loadedAs: "lirc_mode2" },
  flow_dissector: { loadedAs: "flow_dissector" },
  cgroup_sysctl: { loadedAs: "cgroup_sysctl" },
  cgroup_udp4_recvmsg: { loadedAs: "cgroup_sock_addr" },
  cgroup_udp6_recvmsg: { loadedAs: "cgroup_sock_addr" },
  cgroup_getsockopt: { loadedAs: "cgroup_sockopt" },
  cgroup_setsockopt: { loadedAs: "cgroup_sockopt" },
  trace_raw_tp: { loadedAs: "tracing" },
  trace_fentry: { loadedAs: "tracing" },
  trace_fexit: { loadedAs: "tracing" },
  modify_return: { loadedAs: "tracing" },
  lsm_mac: { loadedAs: "lsm" },
  trace_iter: { loadedAs: "tracing" },
  cgroup_inet4_getpeername: { loadedAs: "cgroup_sock_addr" },
  cgroup_inet6_getpeername: { loadedAs: "cgroup_sock_addr" },
  cgroup_inet4_getsockname: { loadedAs: "cgroup_sock_addr" },
  cgroup_inet6_getsockname: { loadedAs: "cgroup_sock_addr" },
  xdp_devmap: { loadedAs: "xdp" },
  cgroup_inet_sock_release: { loadedAs: "cgroup_sock" },
  xdp_cpumap: { loadedAs: "xdp" },
  sk_lookup: { loadedAs: "sk_lookup" },
  xdp: { loadedAs: "xdp" },
  sk_skb_verdict: { loadedAs: "sk_skb" },
  sk_reuseport_select: { loadedAs: "sk_reuseport" },
  sk_reuseport_select_or_migrate: { loadedAs: "sk_reuseport" },
  perf_event: { loadedAs: undefined },
  trace_kprobe_multi: { loadedAs: "kprobe" },
  lsm_cgroup: { loadedAs: "lsm", attaches: "cgroups" },
  struct_ops: { loadedAs: undefined },
  netfilter: { loadedAs: "netfilter" },
  tcx_ingress: { loadedAs: "sched_cls" },
  tcx_egress: { loadedAs: "sched_cls" },
  trace_uprobe_multi: { loadedAs: "kprobe" },
  cgroup_unix_connect: { loadedAs: "cgroup_sock_addr" },
  cgroup_unix_sendmsg: { loadedAs: "cgroup_sock_addr" },
  cgroup_unix_recvmsg: { loadedAs: "cgroup_sock_addr" },
  cgroup_unix_getpeername: { loadedAs: "cgroup_sock_addr" },
  cgroup_unix_getsockname: { loadedAs: "cgroup_sock_addr" },
  netkit_primary: { loadedAs: "sched_cls" },
  netkit_peer: { loadedAs: "sched_cls" },
  trace_kprobe_session: { loadedAs: "kprobe" },
  trace_uprobe_session: { loadedAs: "kprobe" },
  trace_fsession: { loadedAs: "tracing" },
  trace_fentry_multi: { loadedAs: "tracing" },
  trace_fexit_multi: { loadedAs: "tracing" },
  trace_fsession_multi: { loadedAs: "tracing" },
};

/**
 * Returns where programs of an attach type attach; undefined when it is the same as for their
 * program type.
 */
export function attachTypePlace(name: AttachTypeName): AttachPlace | undefined {
  return ATTACH_TYPES[name].attaches;
}

/** Returns the attach types that programs of a type are loaded with, in numeric order. */
export function attachTypesOf(type: ProgramTypeName): AttachTypeName[] {
  return (Object.keys(ATTACH_TYPES) as AttachTypeName[])
    .filter((name) => ATTACH_TYPES[name].loadedAs === type);
}
