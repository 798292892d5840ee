/**
 * Prints BTF as C, TypeScript and JSON.
 *
 * Imports: errors, btf, btf/build, btf/codec.
 *
 * @module
 */

export * from "./json.ts";
export * from "./c.ts";
export * from "./typescript.ts";
