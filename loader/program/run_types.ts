/**
 * What a test run of each program type does with its context.
 *
 * Source: the `test_run` functions of Linux 6.18 (`net/bpf/test_run.c`).
 *
 * @module
 */

import type { ProgramTypeName } from "../../uapi/enums.ts";

/** How programs of a type are run for a test. */
export interface RunType {
  /** Whether the context comes back; the others refuse room for it (`syscall` changes it in place). */
  readonly returnsContext: boolean;
  /** The field of the context that has to say where the packet ends. */
  readonly packetEnd?: string | undefined;
}

const RETURNED: RunType = { returnsContext: true };
const KEPT: RunType = { returnsContext: false };

const RUN_TYPES: { readonly [type in ProgramTypeName]: RunType } = {
  unspec: KEPT,
  socket_filter: RETURNED,
  kprobe: KEPT,
  sched_cls: RETURNED,
  sched_act: RETURNED,
  tracepoint: KEPT,
  xdp: { returnsContext: true, packetEnd: "data_end" },
  perf_event: KEPT,
  cgroup_skb: RETURNED,
  cgroup_sock: KEPT,
  lwt_in: RETURNED,
  lwt_out: RETURNED,
  lwt_xmit: RETURNED,
  sock_ops: KEPT,
  sk_skb: KEPT,
  cgroup_device: KEPT,
  sk_msg: KEPT,
  raw_tracepoint: KEPT,
  cgroup_sock_addr: KEPT,
  lwt_seg6local: KEPT,
  lirc_mode2: KEPT,
  sk_reuseport: KEPT,
  flow_dissector: RETURNED,
  cgroup_sysctl: KEPT,
  raw_tracepoint_writable: KEPT,
  cgroup_sockopt: KEPT,
  tracing: KEPT,
  struct_ops: KEPT,
  ext: KEPT,
  lsm: KEPT,
  sk_lookup: KEPT,
  syscall: KEPT,
  netfilter: KEPT,
};

/** How programs of a type are run for a test. */
export function runType(type: ProgramTypeName): RunType {
  return RUN_TYPES[type];
}
