/**
 * Child processes, namespaces, mounts and sockets: what the sandbox and the broker ask of Linux.
 *
 * Imports: uapi, errors, kernel, kernel/linux/ffi.
 *
 * @module
 */

export * from "./isolate.ts";
export * from "./mounts.ts";
export * from "./process.ts";
export * from "./sockets.ts";
export * from "./user_namespace.ts";
