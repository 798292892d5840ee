/**
 * Explains refused program loads from verifier logs, line info and poisoned calls, without system calls.
 *
 * Imports: nothing.
 *
 * @module
 */

export * from "./verifier/mod.ts";
