/**
 * Explains refusals from data alone: verifier logs, their source lines, poisoned calls. No system call.
 *
 * Imports: nothing.
 *
 * @module
 */

export * from "./verifier/mod.ts";
