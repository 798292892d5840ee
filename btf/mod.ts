/**
 * BTF of every kind: types of objects, of the kernel and of its modules.
 *
 * @module
 */

export { Btf, type BtfOptions } from "./btf.ts";
export * from "./builder.ts";
export * from "./codec/mod.ts";
export * from "./core/mod.ts";
export * from "./cut.ts";
export { type IntDefinition, type TypeDefinition, type WithoutId } from "./encode.ts";
export * from "./error.ts";
export * from "./essential_name.ts";
export * from "./ext.ts";
export * from "./json.ts";
export * from "./print_c.ts";
export * from "./print_typescript.ts";
export * from "./types.ts";
