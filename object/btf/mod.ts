/**
 * Prepares an object's BTF for BPF_BTF_LOAD, in the forms that older kernels accept.
 *
 * Imports: btf, object/spec, object, object/relocate.
 *
 * @module
 */

export * from "./btf_to_load.ts";
export { BTF_GENERATIONS, type BtfFeatures, MODERN_BTF } from "./sanitize_btf.ts";
