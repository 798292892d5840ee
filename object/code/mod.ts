/**
 * Decodes and prints BPF instructions, and indexes the functions of an object.
 *
 * Imports: uapi, btf, object/spec.
 *
 * @module
 */

export * from "./instruction.ts";
export * from "./poison.ts";
export * from "./print.ts";
