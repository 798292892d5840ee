/**
 * The names, numbers and layouts of Linux's interface: enums, flags, `bpf_attr`, info structs, errno.
 * Generated from kernel BTF and headers by `deno task generate`; tests compare them with outside sources.
 *
 * Imports: nothing.
 *
 * @module
 */

export * from "./architecture.ts";
export * from "./bpf_flags.ts";
export * from "./enums.ts";
export * from "./errno.ts";
export * from "./files.ts";
export * from "./layouts.ts";
export * from "./mounts.ts";
export * from "./netlink.ts";
export * from "./perf.ts";
export * from "./processes.ts";
export * from "./sockets.ts";
export * from "./system_layouts.ts";
export * from "./terminals.ts";
export * from "./system_calls.ts";
export * from "./usdt.ts";
export * from "./fields.ts";
