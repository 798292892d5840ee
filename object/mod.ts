/**
 * Parses compiled BPF objects into programs, maps, variables and externs, and relocates their programs for
 * loading. Pure: no system call, no Deno API.
 *
 * Imports: errors, elf, btf, object/spec, object/code, object/parse.
 *
 * @module
 */

export * from "../uapi/enums.ts";
export * from "./btf/mod.ts";
export * from "./code/mod.ts";
export * from "./events/mod.ts";
export {
  type ObjectJson,
  ObjectSpec,
  type ParseOptions,
  type ProgramJson,
  type RelocationSummary,
  type SectionSummary,
  type SubprogramSpec,
} from "./object_spec.ts";
export * from "./relocate/mod.ts";
export * from "./section/mod.ts";
export * from "./spec/mod.ts";
export { type ErrorFacts, SkepError } from "../errors/skep_error.ts";
