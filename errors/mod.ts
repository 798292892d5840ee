/**
 * The errors that every room throws: `SkepError`, `KernelError`, and how they are rendered on one line.
 *
 * Imports: uapi.
 *
 * @module
 */

export * from "./skep_error.ts";
export * from "./kernel_error.ts";
export * from "./without_undefined.ts";
