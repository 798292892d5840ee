/**
 * All kinds of hook, each with its options and its attach method.
 *
 * @module
 */

import type { AttachKind } from "../../object/section/attach_spec.ts";
import type { HookName } from "../features/requirements.ts";
import { cgroup, type CgroupOptions, lsmCgroup, type LsmCgroupOptions } from "./cgroup.ts";
import { freplace, type FreplaceOptions } from "./freplace.ts";
import { iter, type IteratorOptions } from "./iterator.ts";
import { type AttachMethod, Unattachable } from "./kind.ts";
import { kprobe, type KprobeOptions } from "./kprobe.ts";
import { kprobeMulti, type KprobeMultiOptions } from "./kprobe_multi.ts";
import { ksyscall, type KsyscallOptions } from "./ksyscall.ts";
import { lirc, type LircOptions } from "./lirc.ts";
import { netfilter, type NetfilterOptions } from "./netfilter.ts";
import { netkit, type NetkitOptions } from "./netkit.ts";
import { netns, type NetnsOptions } from "./netns.ts";
import { perfEvent, type PerfEventOptions } from "./perf_event.ts";
import { rawTracepoint, type RawTracepointOptions } from "./raw_tracepoint.ts";
import { reuseport, socket, type SocketOptions } from "./socket.ts";
import { skMsg, sockmap, type SockmapOptions } from "./sockmap.ts";
import { tc, type TcOptions } from "./tc.ts";
import { tcx, type TcxOptions } from "./tcx.ts";
import { tracepoint, type TracepointOptions } from "./tracepoint.ts";
import { fentry, fexit, fmodRet, fsession, lsm, tpBtf, type TracingOptions } from "./tracing.ts";
import { uprobe, type UprobeOptions } from "./uprobe.ts";
import { uprobeMulti, type UprobeMultiOptions } from "./uprobe_multi.ts";
import { usdt, type UsdtOptions } from "./usdt.ts";
import { xdp, type XdpOptions } from "./xdp.ts";

/** Options of a kind that cannot be attached: none. */
export type NoOptions = { readonly [option in never]: never };

/** Options of each kind of hook. */
export interface AttachOptionsByKind {
  /** Sections without an attach target. */
  readonly none: NoOptions;
  /** `kprobe`, `kretprobe`. */
  readonly kprobe: KprobeOptions;
  /** `kprobe.multi`, `kretprobe.multi`, `kprobe.session`. */
  readonly kprobe_multi: KprobeMultiOptions;
  /** `ksyscall`, `kretsyscall`. */
  readonly ksyscall: KsyscallOptions;
  /** `uprobe`, `uretprobe`. */
  readonly uprobe: UprobeOptions;
  /** `uprobe.multi`, `uretprobe.multi`, `uprobe.session`. */
  readonly uprobe_multi: UprobeMultiOptions;
  /** `usdt`. */
  readonly usdt: UsdtOptions;
  /** `tp`, `tracepoint`. */
  readonly tracepoint: TracepointOptions;
  /** `raw_tp`, `raw_tp.w`. */
  readonly raw_tracepoint: RawTracepointOptions;
  /** `tp_btf`. */
  readonly tp_btf: TracingOptions;
  /** `fentry`. */
  readonly fentry: TracingOptions;
  /** `fexit`. */
  readonly fexit: TracingOptions;
  /** `fmod_ret`. */
  readonly fmod_ret: TracingOptions;
  /** `fsession`. */
  readonly fsession: TracingOptions;
  /** `fentry.multi`, `fexit.multi`, `fsession.multi`. */
  readonly tracing_multi: NoOptions;
  /** `freplace`. */
  readonly freplace: FreplaceOptions;
  /** `lsm`. */
  readonly lsm: TracingOptions;
  /** `lsm_cgroup`. */
  readonly lsm_cgroup: LsmCgroupOptions;
  /** `iter`. */
  readonly iter: IteratorOptions;
  /** `tcx/ingress`, `tcx/egress`. */
  readonly tcx: TcxOptions;
  /** `tc`, `classifier`, `action`. */
  readonly tc: TcOptions;
  /** `netkit/primary`, `netkit/peer`. */
  readonly netkit: NetkitOptions;
  /** `xdp`, `xdp.frags`. */
  readonly xdp: XdpOptions;
  /** `cgroup/…`, `cgroup_skb/…`, `sockops`. */
  readonly cgroup: CgroupOptions;
  /** `sk_lookup`, `flow_dissector`. */
  readonly netns: NetnsOptions;
  /** `netfilter`. */
  readonly netfilter: NetfilterOptions;
  /** `sk_skb/…`. */
  readonly sockmap: SockmapOptions;
  /** `sk_msg`. */
  readonly sk_msg: SockmapOptions;
  /** `lwt_…`. */
  readonly lwt: NoOptions;
  /** `socket`. */
  readonly socket: SocketOptions;
  /** `sk_reuseport`. */
  readonly reuseport: SocketOptions;
  /** `perf_event`. */
  readonly perf_event: PerfEventOptions;
  /** `lirc_mode2`. */
  readonly lirc: LircOptions;
  /** `struct_ops`. */
  readonly struct_ops: NoOptions;
  /** `syscall`. */
  readonly syscall: NoOptions;
}

/** Options of one kind of hook. */
export type AttachOptionsOf<Kind extends AttachKind> = AttachOptionsByKind[Kind];

/** Attach method of a kind, or the reason why its programs cannot be attached. */
export type AttachEntry<Kind extends AttachKind> =
  | Unattachable
  | (Kind extends HookName ? AttachMethod<Kind, AttachOptionsOf<Kind>> : never);

/** Attach method of every kind. */
export const attachKinds: { readonly [Kind in AttachKind]: AttachEntry<Kind> } = {
  none: new Unattachable(({ spec: { section } }) => `section "${section}" does not name a hook`),
  kprobe,
  kprobe_multi: kprobeMulti,
  ksyscall,
  uprobe,
  uprobe_multi: uprobeMulti,
  usdt,
  tracepoint,
  raw_tracepoint: rawTracepoint,
  tp_btf: tpBtf,
  fentry,
  fexit,
  fmod_ret: fmodRet,
  fsession,
  tracing_multi: new Unattachable(() =>
    "tracing_multi links (Linux 7.2) are not supported: use a kprobe.multi section"
  ),
  freplace,
  lsm,
  lsm_cgroup: lsmCgroup,
  iter,
  tcx,
  tc,
  netkit,
  xdp,
  cgroup,
  netns,
  netfilter,
  sockmap,
  sk_msg: skMsg,
  lwt: new Unattachable(() => "lwt programs are attached by a route: ip route add … encap bpf"),
  socket,
  reuseport,
  perf_event: perfEvent,
  lirc,
  struct_ops: new Unattachable(() =>
    "struct_ops programs are registered with their map: attach the map"
  ),
  syscall: new Unattachable(() => "syscall programs have no hook: run them with testRun()"),
};

/** Returns the names of the options that a kind reads. */
export function optionsOf(kind: AttachKind): readonly string[] {
  return Object.keys(attachKinds[kind].options);
}
