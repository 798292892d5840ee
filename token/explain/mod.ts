/**
 * Explains refusals that concern delegation: the missing option value, namespace or capability.
 *
 * Imports: uapi, errors, plan, kernel, token/facts.
 *
 * @module
 */

export * from "./delegation_error.ts";
export type { HeldToken, Refusal } from "./case.ts";
export { explainRefusal } from "./refusal.ts";
export { type VerifierHint, verifierHint } from "./verifier.ts";
