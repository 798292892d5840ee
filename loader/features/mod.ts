/**
 * Features of the running kernel, read from its BTF, and the Linux release that introduced each.
 *
 * Imports: uapi, errors, btf, object, kernel, token, loader/externs.
 *
 * @module
 */

export { type Unavailable, whyUnavailable } from "./availability.ts";
export * from "./features.ts";
export * from "./kernel_btf.ts";
export * from "./requirements.ts";
