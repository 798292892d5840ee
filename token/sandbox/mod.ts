/**
 * Runs a command in a new user namespace, with exactly the delegation that it needs.
 *
 * Imports: uapi, errors, plan, kernel, token/facts, token/explain, token.
 *
 * @module
 */

export * from "./sandbox.ts";
export * from "./with_token.ts";
export type { UserRange } from "./user_range.ts";
