/**
 * Plans delegations, and decides how programs attach with a token. Pure: no kernel access.
 *
 * Imports: uapi, errors, btf, object.
 *
 * @module
 */

export * from "./attachment_text.ts";
export type * from "./attach_decision.ts";
export * from "./attach_types.ts";
export * from "./attachments.ts";
export * from "./capabilities.ts";
export * from "./delegation.ts";
export * from "./holder.ts";
export * from "./notes.ts";
export * from "./program_types.ts";
export * from "./bpf_capability.ts";
export type { MaybeCapability, PlanReason } from "./builder.ts";
export type { Plannable } from "./plannable.ts";
export { Plan, plan, type PlanFacts, type PlanOptions, type PlanProfile } from "./plan.ts";
export { helperCapability, type InstructionScan, scanInstructions } from "./scan.ts";
export { type ContextUse, contextUse } from "./context_use.ts";
