/**
 * BTF of every kind: types of objects, of the kernel and of its modules.
 *
 * Imports: errors, elf.
 *
 * @module
 */

export * from "./build/mod.ts";
export * from "./codec/mod.ts";
export * from "./core/mod.ts";
export * from "./error.ts";
export * from "./essential_name.ts";
export * from "./ext.ts";
export * from "./print/mod.ts";
export * from "./types.ts";
export { Btf, type BtfOptions } from "./btf.ts";
