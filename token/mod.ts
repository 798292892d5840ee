/**
 * Delegation of BPF: plan it, find a token, use it, explain every refusal.
 *
 * @module
 */

export * from "./plan/mod.ts";
