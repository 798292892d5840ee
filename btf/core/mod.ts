/**
 * CO-RE: "compile once, run everywhere".
 *
 * clang records which fields, types and enumerators an object reads. They are matched with the kernel's
 * types, and the instructions are patched. Decisions are plain data that can be explained.
 *
 * Imports: btf.
 *
 * @module
 */

export { type CoreSubject, coreSubject } from "./kind.ts";
export type { CoreOutcome, CorePoison, CoreValue } from "./outcome.ts";
export type { CoreCandidate, CoreDecision } from "./decision.ts";
export { explainCore } from "./describe.ts";
export { typesCompatible } from "./compatible.ts";
export { typesMatch } from "./matches.ts";
export { applyCore, CORE_POISON } from "./patch.ts";
export { CoreSession } from "./resolve.ts";
export { type CoreTarget, CoreTargets, type CoreTargetsOptions } from "./targets.ts";
