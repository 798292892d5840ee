/**
 * The `Kernel` interface implemented with system calls: one file for each family of commands.
 *
 * Imports: uapi, errors, kernel, kernel/linux/ffi, kernel/process.
 *
 * @module
 */

export * from "./linux.ts";
