/**
 * Loads an object spec: resolves externs, relocates, and creates the BTF, maps and programs.
 *
 * Imports: uapi, errors, elf, btf, object, plan, explain, kernel, token, loader/externs, loader/features, loader/map, loader/program.
 *
 * @module
 */

export * from "./outcome.ts";
export { type LoadOptions, type ObjectInput, openObject } from "./prepare.ts";
export { readUserFile } from "./user_file.ts";
export type { LogLevel } from "./load_context.ts";
