/**
 * The {@linkcode Kernel} interface to Linux, its implementation with system calls, and fakes for tests.
 *
 * Imports: uapi, errors.
 *
 * @module
 */

export * from "../errors/kernel_error.ts";
export * from "../uapi/errno.ts";
export * from "./fake/mod.ts";
export * from "./kernel.ts";
export * from "./leaks.ts";
export * from "./linux/mod.ts";
export * from "./mapping.ts";
export * from "./poller.ts";
export * from "./processes.ts";
export { type ErrorFacts, type JsonValue, SkepError, type Stage } from "../errors/skep_error.ts";
