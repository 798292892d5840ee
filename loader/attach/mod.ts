/**
 * Attaching programs: one file per kind of link.
 *
 * Imports: uapi, errors, elf, object, kernel, token, loader/features.
 *
 * @module
 */

export * from "./anchor.ts";
export * from "./attach.ts";
export * from "./cgroup.ts";
export { AttachError } from "./error.ts";
export * from "./freplace.ts";
export * from "./iterator.ts";
export { attachKprobe, type KprobeOptions } from "./kprobe.ts";
export * from "./kprobe_multi.ts";
export * from "./ksyscall.ts";
export * from "./link.ts";
export * from "./link_info.ts";
export * from "./lirc.ts";
export * from "./netfilter.ts";
export * from "./netkit.ts";
export * from "./netns.ts";
export type { PerfLinkOptions } from "./perf.ts";
export * from "./perf_event.ts";
export * from "./raw_tracepoint.ts";
export * from "./socket.ts";
export * from "./sockmap.ts";
export * from "./struct_ops.ts";
export type { PathOrDescriptor } from "./targets.ts";
export * from "./tc.ts";
export * from "./tcx.ts";
export * from "./tracepoint.ts";
export * from "./tracing.ts";
export { attachUprobe, type UprobeOptions } from "./uprobe.ts";
export * from "./uprobe_multi.ts";
export { attachUsdt, type UsdtOptions } from "./usdt.ts";
export * from "./usdt_arguments.ts";
export * from "./usdt_notes.ts";
export * from "./xdp.ts";
export * from "./links.ts";
