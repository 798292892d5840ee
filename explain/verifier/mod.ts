/**
 * Turns a verifier log into the refused instruction, its reason and its line of C.
 *
 * Imports: uapi, errors, btf, object.
 *
 * @module
 */

export * from "./error.ts";
export * from "./log.ts";
