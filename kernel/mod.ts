/**
 * The one seam to Linux: the {@linkcode Kernel} interface, Linux itself behind it, and stand-ins for
 * tests.
 *
 * @module
 */

export * from "./errno.ts";
export * from "./error.ts";
export * from "./kernel.ts";
export * from "./mapping.ts";
export * from "./poller.ts";
export * from "./linux.ts";
