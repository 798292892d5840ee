/**
 * Loads object specs into the kernel: programs, maps, variables, links and record streams.
 *
 * Imports: uapi, errors, btf, object, plan, kernel, token, loader/map, loader/attach, loader/program, loader/load.
 *
 * @module
 */

export * from "../explain/verifier/error.ts";
export * from "../explain/verifier/log.ts";
export * from "../kernel/descriptor.ts";
export * from "./attach/mod.ts";
export * from "./features/mod.ts";
export * from "./load/mod.ts";
export * from "./map/mod.ts";
export * from "./object.ts";
export * from "./program/mod.ts";
export * from "./stream/mod.ts";
export * from "./verify.ts";
export type { NamedMaps, ObjectTypes, OtherMap, OtherName } from "./object_types.ts";
