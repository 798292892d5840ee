/**
 * Parses SEC() names into program type, expected attach type and attach spec.
 *
 * Imports: uapi.
 *
 * @module
 */

export * from "./attach_spec.ts";
export * from "./btf_target.ts";
export { sectionPlan, type SectionSpec } from "./table.ts";
export { BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS } from "../../uapi/bpf_flags.ts";
