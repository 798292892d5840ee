/**
 * Explains a refusal that has to do with delegation: the word, namespace or capability that is missing.
 *
 * Imports: uapi, errors, plan, kernel, token/facts.
 *
 * @module
 */

export * from "./delegation_error.ts";
export type { HeldToken, Refusal } from "./case.ts";
export { explainRefusal } from "./refusal.ts";
export { type VerifierHint, verifierHint } from "./verifier.ts";
