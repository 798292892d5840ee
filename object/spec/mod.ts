/**
 * Specs of programs, maps, variables and externs as plain data, editable before load.
 *
 * Imports: uapi, errors, elf, btf, object/section.
 *
 * @module
 */

export { ObjectError, RelocationError } from "./error.ts";
export { holdsMaps, mapTypeNumber } from "./map_rules.ts";
export * from "./map_spec.ts";
export * from "./map_traits.ts";
export * from "./named.ts";
export type * from "./spec.ts";
export type { VariableJson } from "./variables.ts";
