/**
 * BPF instructions: decode, print, and the functions that an object holds.
 *
 * Imports: uapi, btf, object/spec.
 *
 * @module
 */

export * from "./instruction.ts";
export * from "./poison.ts";
export * from "./print.ts";
