/**
 * Planning a delegation, and how programs attach with a token: pure, the same in a browser.
 *
 * @module
 */

export * from "./attachment_text.ts";
export * from "./attachments.ts";
export { type ContextUse, contextUse } from "./context_use.ts";
export * from "./delegation.ts";
export * from "./notes.ts";
export {
  Plan,
  plan,
  type PlanFacts,
  type Plannable,
  type PlanOptions,
  type PlanProfile,
  type PlanReason,
} from "./plan.ts";
export * from "./reach.ts";
export { helperCapability, type InstructionScan, scanInstructions } from "./scan.ts";
