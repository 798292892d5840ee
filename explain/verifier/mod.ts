/**
 * Parses verifier logs into the refused instruction, the reason and the C source line.
 *
 * Imports: uapi, errors, btf, object.
 *
 * @module
 */

export * from "./error.ts";
export * from "./log.ts";
