/**
 * Inspects, test-runs, attaches and pins loaded programs.
 *
 * Imports: uapi, errors, btf, object, kernel, loader/attach.
 *
 * @module
 */

export * from "./info.ts";
export * from "./program.ts";
export type { ContextFields } from "./run_context.ts";
