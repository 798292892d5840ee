/**
 * Delegation of BPF: plan it, find a token, use it, explain every refusal.
 *
 * @module
 */

export * from "./broker/mod.ts";
export * from "./discover.ts";
export * from "./doctor.ts";
export * from "./error.ts";
export { type ProcessFacts } from "./explain/process.ts";
export { explainRefusal, type Refusal } from "./explain/refusal.ts";
export { type VerifierHint, verifierHint } from "./explain/verifier.ts";
export * from "./mounts.ts";
export * from "./plan/mod.ts";
export * from "./resolve.ts";
export * from "./sandbox.ts";
export * from "./token.ts";
export * from "./with_token.ts";
