/**
 * BPF delegation: plans it, finds and uses tokens, explains refusals.
 *
 * Imports: uapi, errors, btf, plan, kernel, token/facts, token/explain, token/protocol.
 *
 * @module
 */

export * from "../plan/mod.ts";
export * from "./broker/mod.ts";
export * from "./discover.ts";
export * from "./doctor.ts";
export * from "./explain/mod.ts";
export * from "./facts/mod.ts";
export * from "./resolve.ts";
export * from "./sandbox/mod.ts";
export * from "./token.ts";
