/**
 * Attaches programs: one function for each kind of hook, and `attachProgram` for a program of any kind.
 *
 * The function of a kind accepts only that kind's options. Options override the program's section, and may
 * be left out where the section names the target.
 *
 * Imports: uapi, errors, object, kernel, token, loader/features, loader/attach/target.
 *
 * @example
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 * import { attachXdp } from "@skep/skep/attach";
 *
 * using object = await BpfObject.load("xdp_count.bpf.o");
 * using link = attachXdp(object.programs.get("count"), { interface: "veth0", mode: "generic" });
 * ```
 *
 * @module
 */

export type { AnchorOptions, Relative } from "./anchor.ts";
export { type AttachOptionName, type AttachOptions, attachProgram } from "./attach.ts";
export type { AttachableProgram } from "./attachable.ts";
export {
  attachCgroup,
  attachLsmCgroup,
  type CgroupOptions,
  type LsmCgroupOptions,
} from "./cgroup.ts";
export { attachFreplace, type FreplaceOptions } from "./freplace.ts";
export { attachIter, type CgroupOrder, type IteratorOptions } from "./iterator.ts";
export type { AttachOptionsByKind, AttachOptionsOf, NoOptions } from "./kinds.ts";
export { attachKprobe, type KprobeOptions } from "./kprobe.ts";
export { attachKprobeMulti, type KprobeMultiOptions } from "./kprobe_multi.ts";
export { attachKsyscall, type KsyscallOptions } from "./ksyscall.ts";
export { type Legacy, Link, type LinkParts, type ProgramHandle } from "./link.ts";
export { type LinkInfo, parseLinkInfo, readLinkInfo } from "./link_info.ts";
export { Links, type SkippedAttachment } from "./links.ts";
export { attachLirc, type LircOptions } from "./lirc.ts";
export { attachNetfilter, type NetfilterHook, type NetfilterOptions } from "./netfilter.ts";
export { attachNetkit, type NetkitOptions } from "./netkit.ts";
export { attachNetns, type NetnsOptions } from "./netns.ts";
export type { PerfLinkOptions } from "./perf.ts";
export { attachPerfEvent, type PerfEventName, type PerfEventOptions } from "./perf_event.ts";
export { attachRawTracepoint, type RawTracepointOptions } from "./raw_tracepoint.ts";
export { attachReuseport, attachSocket, type SocketOptions } from "./socket.ts";
export { attachSkMsg, attachSockmap, type SockmapOptions } from "./sockmap.ts";
export { attachStructOps, type StructOpsMap } from "./struct_ops.ts";
export { attachTc, type TcOptions } from "./tc.ts";
export { attachTcx, type TcxOptions } from "./tcx.ts";
export { attachTracepoint, type TracepointOptions } from "./tracepoint.ts";
export {
  attachFentry,
  attachFexit,
  attachFmodRet,
  attachFsession,
  attachLsm,
  attachTpBtf,
  type TracingOptions,
} from "./tracing.ts";
export { attachUprobe, type UprobeOptions } from "./uprobe.ts";
export { attachUprobeMulti, type UprobeMultiOptions } from "./uprobe_multi.ts";
export { attachUsdt, type UsdtOptions } from "./usdt.ts";
export * from "./target/mod.ts";
export { attachXdp, type XdpMode, type XdpOptions } from "./xdp.ts";
