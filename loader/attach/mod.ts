/**
 * Attaching programs: one file per kind of link.
 *
 * @module
 */

export * from "./anchor.ts";
export * from "./attach.ts";
export * from "./cgroup.ts";
export { AttachError } from "./error.ts";
export * from "./link.ts";
export * from "./link_info.ts";
export * from "./netns.ts";
export * from "./raw_tracepoint.ts";
export * from "./tcx.ts";
export * from "./tracepoint.ts";
export * from "./tracing.ts";
export * from "./xdp.ts";
