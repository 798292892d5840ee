/**
 * BTF of every kind: types of objects, of the kernel and of its modules.
 *
 * @module
 */

export * from "./btf.ts";
export * from "./error.ts";
export * from "./essential_name.ts";
export * from "./ext.ts";
export * from "./types.ts";
