/**
 * Compiled BPF objects: programs, maps, variables and externs as plain data, and the linker that
 * makes programs ready to load. Pure: no system call, no Deno API.
 *
 * @module
 */

export * from "./attach_plan.ts";
export { ObjectError, RelocationError } from "./error.ts";
export { type ErrorFacts, SkepError } from "../elf/error.ts";
export * from "./event_type.ts";
export * from "./instruction.ts";
export * from "./kernel_enums.ts";
export type { AddedTypes } from "./argument_contexts.ts";
export * from "./btf_to_load.ts";
export * from "./link.ts";
export { needsCoreTargets } from "./link_core.ts";
export * from "./map_rules.ts";
export * from "./map_spec.ts";
export * from "./named.ts";
export * from "./object_spec.ts";
export * from "./poison.ts";
export * from "./print.ts";
export { BTF_GENERATIONS, type BtfFeatures, MODERN_BTF } from "./sanitize_btf.ts";
export * from "./section_table.ts";
export type * from "./spec.ts";
export type { VariableJson } from "./variables.ts";
