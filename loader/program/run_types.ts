/**
 * How BPF_PROG_TEST_RUN of each program type handles the context.
 *
 * Source: the `test_run` functions of Linux 6.18 (`net/bpf/test_run.c`).
 *
 * @module
 */

import type { ProgramTypeName } from "../../uapi/enums.ts";

/** Properties of test runs of a program type. */
export interface RunType {
  /** Whether the context is returned. Other types refuse an output buffer (`syscall` updates the input in place). */
  readonly returnsContext: boolean;
  /** Field of the context that must contain the packet's length. */
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

/** Returns the properties of test runs of a program type. */
export function runType(type: ProgramTypeName): RunType {
  return RUN_TYPES[type];
}
