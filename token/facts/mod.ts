/**
 * What this process has and may do, as far as it can be read: capabilities, namespaces, bpffs mounts, probes.
 *
 * Imports: uapi, plan, kernel.
 *
 * @module
 */

export { type ProcessFacts } from "./process.ts";
export * from "./mounts.ts";
