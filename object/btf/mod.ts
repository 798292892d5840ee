/**
 * Prepares an object's BTF for BPF_BTF_LOAD, also for kernels that do not support all of its kinds.
 *
 * Imports: btf, object/spec, object, object/relocate.
 *
 * @module
 */

export * from "./btf_to_load.ts";
export { BTF_GENERATIONS, type BtfFeatures, MODERN_BTF } from "./sanitize_btf.ts";
