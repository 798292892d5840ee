/**
 * Relocates one program: appends its subprograms, applies CO-RE, and lists what the loader must still fill in.
 *
 * Imports: uapi, errors, btf, object/spec, object/code, object.
 *
 * @module
 */

export type { AddedTypes } from "./argument_contexts.ts";
export * from "./relocate.ts";
