/**
 * What the running kernel can do, and since which Linux there is what: facts from its BTF, never from a refusal.
 *
 * Imports: uapi, errors, btf, object, kernel, token, loader/externs.
 *
 * @module
 */

export { type Unavailable, whyUnavailable } from "./availability.ts";
export * from "./features.ts";
export * from "./kernel_btf.ts";
export * from "./requirements.ts";
