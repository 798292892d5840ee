/**
 * Builds BTF: encodes types, adds and removes them, extracts some of them.
 *
 * Imports: btf.
 *
 * @module
 */

export * from "./builder.ts";
export * from "./extract.ts";
export { type IntDefinition, type TypeDefinition, type WithoutId } from "./encode.ts";
