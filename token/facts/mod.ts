/**
 * Reads what this process has and is permitted: capabilities, namespaces, bpffs mounts, probes.
 *
 * Imports: uapi, plan, kernel.
 *
 * @module
 */

export { type ProcessFacts } from "./process.ts";
export * from "./mounts.ts";
