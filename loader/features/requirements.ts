/**
 * Table of the Linux release and configuration options that each feature needs, for errors, tests and the page
 * `docs/kernels.md`.
 *
 * Versions are the first kernel.org release with the commit. Distributions backport features, so no version
 * decides what is tried; versions explain a refusal. `tests/kernel/requirements_test.ts` compares the names with
 * the enumerations of each tested kernel.
 *
 * @module
 */

import type {
  AttachTypeName,
  CommandName,
  MapTypeName,
  ProgramTypeName,
} from "../../uapi/enums.ts";
import type { AttachSpec } from "../../object/section/attach_spec.ts";

/** A release of Linux: `"6.12"`. */
export type LinuxVersion = `${number}.${number}`;

/** Kernel release and configuration that a feature needs. */
export interface Requirement {
  /** The first release that has the feature. */
  readonly linux: LinuxVersion;
  /** Configuration options that the feature needs, with their prefix `CONFIG_`. */
  readonly built?: readonly string[] | undefined;
  /** Description of the feature or a limit of it, in a few words. */
  readonly note?: string | undefined;
}

/** Features of one kind by name, each with its release or its whole requirement. */
export type RequirementTable<Name extends string> = {
  readonly [name in Name]: LinuxVersion | Requirement;
};

/** Ways to attach a program: the kinds of `AttachSpec`. */
export type HookName = Exclude<AttachSpec["kind"], "none">;

/** Features that are not members of an enumeration: fields, flags, ways to attach. */
export type AbilityName =
  | "token"
  | "token_info"
  | "btf_by_id_token"
  | "perf_event_cookie"
  | "kprobe_multi_cookie"
  | "tracing_cookie"
  | "raw_tracepoint_cookie"
  | "kprobe_session"
  | "uprobe_session"
  | "sockmap_link"
  | "struct_ops_link"
  | "cgroup_anchors"
  | "program_output"
  | "netfilter_defrag"
  | "iter_task_parameters"
  | "iter_cgroup"
  | "path_descriptors"
  | "map_mmap"
  | "module_btf"
  | "kernel_btf_mmap"
  | "log_true_size"
  | "fd_array_cnt";

const command: RequirementTable<Exclude<CommandName, "prog_run">> = {
  map_create: "3.18",
  map_lookup_elem: "3.18",
  map_update_elem: "3.18",
  map_delete_elem: "3.18",
  map_get_next_key: "3.18",
  prog_load: "3.18",
  obj_pin: "4.4",
  obj_get: "4.4",
  prog_attach: "4.10",
  prog_detach: "4.10",
  prog_test_run: "4.12",
  prog_get_next_id: "4.13",
  map_get_next_id: "4.13",
  prog_get_fd_by_id: "4.13",
  map_get_fd_by_id: "4.13",
  obj_get_info_by_fd: "4.13",
  prog_query: "4.15",
  raw_tracepoint_open: "4.17",
  btf_load: "4.18",
  btf_get_fd_by_id: "4.18",
  task_fd_query: "4.18",
  map_lookup_and_delete_elem: "4.20",
  map_freeze: "5.2",
  btf_get_next_id: "5.4",
  map_lookup_batch: "5.6",
  map_lookup_and_delete_batch: "5.6",
  map_update_batch: "5.6",
  map_delete_batch: "5.6",
  link_create: "5.7",
  link_update: "5.7",
  link_get_fd_by_id: "5.8",
  link_get_next_id: "5.8",
  enable_stats: "5.8",
  iter_create: "5.8",
  link_detach: "5.9",
  prog_bind_map: "5.10",
  token_create: "6.9",
  prog_stream_read_by_fd: "6.17",
  prog_assoc_struct_ops: "7.0",
};

const map: RequirementTable<Exclude<MapTypeName, "unspec" | `${string}_deprecated`>> = {
  hash: "3.19",
  array: "3.19",
  prog_array: "4.2",
  perf_event_array: "4.3",
  percpu_hash: "4.6",
  percpu_array: "4.6",
  stack_trace: "4.6",
  cgroup_array: "4.8",
  lru_hash: "4.10",
  lru_percpu_hash: "4.10",
  lpm_trie: "4.11",
  array_of_maps: "4.12",
  hash_of_maps: "4.12",
  devmap: "4.14",
  sockmap: "4.14",
  cpumap: "4.15",
  xskmap: "4.18",
  sockhash: "4.18",
  cgroup_storage: "4.19",
  reuseport_sockarray: "4.19",
  percpu_cgroup_storage: "4.20",
  queue: "4.20",
  stack: "4.20",
  sk_storage: "5.2",
  devmap_hash: "5.4",
  struct_ops: "5.6",
  ringbuf: "5.8",
  inode_storage: { linux: "5.10", built: ["CONFIG_BPF_LSM"] },
  task_storage: "5.11",
  bloom_filter: "5.16",
  user_ringbuf: "6.1",
  cgrp_storage: "6.2",
  arena: "6.9",
  insn_array: "6.19",
  rhash: "7.2",
};

const program: RequirementTable<Exclude<ProgramTypeName, "unspec">> = {
  socket_filter: "3.19",
  kprobe: "4.1",
  sched_cls: "4.1",
  sched_act: "4.1",
  tracepoint: "4.7",
  xdp: "4.8",
  perf_event: "4.9",
  cgroup_skb: "4.10",
  cgroup_sock: "4.10",
  lwt_in: "4.10",
  lwt_out: "4.10",
  lwt_xmit: "4.10",
  sock_ops: "4.13",
  sk_skb: "4.14",
  cgroup_device: "4.15",
  sk_msg: "4.17",
  raw_tracepoint: "4.17",
  cgroup_sock_addr: "4.17",
  lwt_seg6local: "4.18",
  lirc_mode2: { linux: "4.18", built: ["CONFIG_BPF_LIRC_MODE2"] },
  sk_reuseport: "4.19",
  flow_dissector: "4.20",
  cgroup_sysctl: "5.2",
  raw_tracepoint_writable: "5.2",
  cgroup_sockopt: "5.3",
  tracing: "5.5",
  struct_ops: "5.6",
  ext: "5.6",
  lsm: { linux: "5.7", built: ["CONFIG_BPF_LSM"] },
  sk_lookup: "5.9",
  syscall: "5.14",
  netfilter: { linux: "6.4", built: ["CONFIG_NETFILTER_BPF_LINK"] },
};

const attach: RequirementTable<AttachTypeName> = {
  cgroup_inet_ingress: "4.10",
  cgroup_inet_egress: "4.10",
  cgroup_inet_sock_create: "4.10",
  cgroup_sock_ops: "4.13",
  sk_skb_stream_parser: "4.14",
  sk_skb_stream_verdict: "4.14",
  cgroup_device: "4.15",
  sk_msg_verdict: "4.17",
  cgroup_inet4_bind: "4.17",
  cgroup_inet6_bind: "4.17",
  cgroup_inet4_connect: "4.17",
  cgroup_inet6_connect: "4.17",
  cgroup_inet4_post_bind: "4.17",
  cgroup_inet6_post_bind: "4.17",
  cgroup_udp4_sendmsg: "4.18",
  cgroup_udp6_sendmsg: "4.18",
  lirc_mode2: "4.18",
  flow_dissector: "4.20",
  cgroup_sysctl: "5.2",
  cgroup_udp4_recvmsg: "5.2",
  cgroup_udp6_recvmsg: "5.2",
  cgroup_getsockopt: "5.3",
  cgroup_setsockopt: "5.3",
  trace_raw_tp: "5.5",
  trace_fentry: "5.5",
  trace_fexit: "5.5",
  modify_return: "5.7",
  lsm_mac: "5.7",
  trace_iter: "5.8",
  cgroup_inet4_getpeername: "5.8",
  cgroup_inet6_getpeername: "5.8",
  cgroup_inet4_getsockname: "5.8",
  cgroup_inet6_getsockname: "5.8",
  xdp_devmap: "5.8",
  cgroup_inet_sock_release: "5.9",
  xdp_cpumap: "5.9",
  sk_lookup: "5.9",
  xdp: "5.9",
  sk_skb_verdict: "5.13",
  sk_reuseport_select: "5.14",
  sk_reuseport_select_or_migrate: "5.14",
  perf_event: "5.15",
  trace_kprobe_multi: "5.18",
  lsm_cgroup: "6.0",
  struct_ops: "6.4",
  netfilter: "6.4",
  tcx_ingress: "6.6",
  tcx_egress: "6.6",
  trace_uprobe_multi: "6.6",
  cgroup_unix_connect: "6.7",
  cgroup_unix_sendmsg: "6.7",
  cgroup_unix_recvmsg: "6.7",
  cgroup_unix_getpeername: "6.7",
  cgroup_unix_getsockname: "6.7",
  netkit_primary: "6.7",
  netkit_peer: "6.7",
  trace_kprobe_session: "6.10",
  trace_uprobe_session: "6.13",
  trace_fsession: "7.0",
  trace_fentry_multi: "7.2",
  trace_fexit_multi: "7.2",
  trace_fsession_multi: "7.2",
};

const TRAMPOLINES = ["CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"];

const hook: RequirementTable<HookName> = {
  kprobe: { linux: "4.1", built: ["CONFIG_KPROBE_EVENTS"] },
  kprobe_multi: { linux: "5.18", built: ["CONFIG_FPROBE"] },
  ksyscall: { linux: "4.1", built: ["CONFIG_KPROBE_EVENTS"] },
  uprobe: { linux: "4.1", built: ["CONFIG_UPROBE_EVENTS"] },
  uprobe_multi: { linux: "6.6", built: ["CONFIG_UPROBES"] },
  usdt: {
    linux: "4.20",
    built: ["CONFIG_UPROBE_EVENTS"],
    note: "the kernel increments the semaphore (ref_ctr_offset)",
  },
  tracepoint: { linux: "4.7", built: ["CONFIG_BPF_EVENTS"] },
  raw_tracepoint: { linux: "4.17", built: ["CONFIG_BPF_EVENTS"] },
  tp_btf: { linux: "5.5", built: ["CONFIG_BPF_EVENTS"] },
  fentry: { linux: "5.5", built: TRAMPOLINES },
  fexit: { linux: "5.5", built: TRAMPOLINES },
  fmod_ret: { linux: "5.7", built: TRAMPOLINES },
  fsession: { linux: "7.0", built: TRAMPOLINES },
  tracing_multi: { linux: "7.2", built: TRAMPOLINES },
  freplace: { linux: "5.10", note: "as a link; BPF_PROG_LOAD since 5.6" },
  lsm: { linux: "5.7", built: ["CONFIG_BPF_LSM"], note: "bpf among the active LSMs" },
  lsm_cgroup: {
    linux: "6.0",
    built: ["CONFIG_BPF_LSM", "CONFIG_CGROUP_BPF"],
    note: "bpf among the active LSMs",
  },
  iter: "5.8",
  struct_ops: { linux: "5.6", note: "as a link since 6.4" },
  xdp: { linux: "4.8", note: "as a link since 5.9" },
  tcx: { linux: "6.6", built: ["CONFIG_NET_XGRESS"] },
  tc: { linux: "4.5", built: ["CONFIG_NET_CLS_BPF", "CONFIG_NET_SCH_INGRESS"] },
  netkit: { linux: "6.7", built: ["CONFIG_NETKIT"] },
  netfilter: { linux: "6.4", built: ["CONFIG_NETFILTER_BPF_LINK"] },
  cgroup: { linux: "4.10", built: ["CONFIG_CGROUP_BPF"], note: "as a link since 5.7" },
  netns: { linux: "5.8", note: "sk_lookup since 5.9" },
  sockmap: { linux: "4.14", built: ["CONFIG_BPF_STREAM_PARSER"], note: "as a link since 6.10" },
  sk_msg: { linux: "4.17", built: ["CONFIG_BPF_STREAM_PARSER"], note: "as a link since 6.10" },
  socket: "3.19",
  reuseport: "4.19",
  perf_event: { linux: "4.9", built: ["CONFIG_PERF_EVENTS"] },
  lirc: { linux: "4.18", built: ["CONFIG_BPF_LIRC_MODE2"] },
  lwt: { linux: "4.10", built: ["CONFIG_LWTUNNEL_BPF"], note: "attached by a route" },
  syscall: { linux: "5.14", note: "run with BPF_PROG_TEST_RUN, not attached" },
};

const ability: { readonly [name in AbilityName]: Requirement } = {
  token: { linux: "6.9", note: "unprivileged use of what a bpffs mount delegates" },
  token_info: { linux: "6.17", note: "a token's delegation masks by BPF_OBJ_GET_INFO_BY_FD" },
  btf_by_id_token: {
    linux: "6.15",
    note: "BPF_BTF_GET_FD_BY_ID with a token, which freplace needs",
  },
  perf_event_cookie: { linux: "5.15", note: "cookies of kprobes, uprobes, tracepoints" },
  kprobe_multi_cookie: { linux: "5.18", note: "one cookie for each function" },
  tracing_cookie: { linux: "5.19", note: "cookies of fentry, fexit, fmod_ret" },
  raw_tracepoint_cookie: { linux: "6.10", note: "cookies of raw_tp and tp_btf" },
  kprobe_session: {
    linux: "6.10",
    built: ["CONFIG_FPROBE"],
    note: "one program on entry and return",
  },
  uprobe_session: {
    linux: "6.13",
    built: ["CONFIG_UPROBES"],
    note: "one program on entry and return",
  },
  sockmap_link: { linux: "6.10", note: "links to sockmaps" },
  struct_ops_link: { linux: "6.4", note: "links of struct_ops maps" },
  cgroup_anchors: { linux: "6.17", note: "before, after and replace for a cgroup's programs" },
  program_output: {
    linux: "6.17",
    note: "a program's output streams (bpf_stream_printk)",
  },
  netfilter_defrag: { linux: "6.6", note: "packets defragmented before a netfilter program" },
  iter_task_parameters: {
    linux: "6.1",
    note: "iterators over the tasks, files or vmas of one task",
  },
  iter_cgroup: { linux: "6.1", note: "iterators over cgroups" },
  path_descriptors: { linux: "6.5", note: "pin paths relative to a directory descriptor" },
  map_mmap: { linux: "5.5", note: "mmap of arrays" },
  module_btf: { linux: "5.11", note: "BTF of modules" },
  kernel_btf_mmap: { linux: "6.16", note: "mmap of /sys/kernel/btf/vmlinux; read before" },
  log_true_size: { linux: "6.4", note: "full size of the verifier's log" },
  fd_array_cnt: { linux: "6.14", note: "maps bound at load through fd_array" },
};

/** Requirements of all features, by kind and name. */
export const requirements: {
  readonly command: RequirementTable<Exclude<CommandName, "prog_run">>;
  readonly map: RequirementTable<Exclude<MapTypeName, "unspec" | `${string}_deprecated`>>;
  readonly program: RequirementTable<Exclude<ProgramTypeName, "unspec">>;
  readonly attach: RequirementTable<AttachTypeName>;
  readonly hook: RequirementTable<HookName>;
  readonly ability: { readonly [name in AbilityName]: Requirement };
} = { command, map, program, attach, hook, ability };

/** Key of a table in {@linkcode requirements}. */
export type RequirementKind = keyof typeof requirements;

/** Returns what a feature needs, or `undefined` for a name that is not in the table. */
export function requirementOf(kind: RequirementKind, name: string): Requirement | undefined {
  const table: { readonly [name: string]: LinuxVersion | Requirement } = requirements[kind];
  if (!Object.hasOwn(table, name)) return undefined;
  const entry = table[name];
  return typeof entry === "string" ? { linux: entry } : entry;
}

/** Returns whether a release, as printed by `uname -r`, is at least a version of Linux. */
export function isAtLeast(release: string, version: LinuxVersion): boolean {
  const [major = 0, minor = 0] = numbers(release);
  const [needMajor = 0, needMinor = 0] = numbers(version);
  return major > needMajor || (major === needMajor && minor >= needMinor);
}

function numbers(text: string): number[] {
  return text.split(/[.-]/, 2).map((part) => Number.parseInt(part, 10));
}
