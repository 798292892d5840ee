/**
 * Loading: from a spec to live programs, maps, variables, links and streams.
 *
 * @module
 */

export * from "./attach/mod.ts";
export * from "./stream/mod.ts";
export * from "./descriptor.ts";
export { type Unavailable, whyUnavailable } from "./availability.ts";
export * from "./features.ts";
export * from "./info.ts";
export * from "./kernel_btf.ts";
export * from "./links.ts";
export * from "./map.ts";
export type { MapCreateOptions, TypeReference } from "./map_create.ts";
export type { ElementCodecs, ElementIterator, ElementPart } from "./map_iterator.ts";
export type { GetOptions, Input, OneCpu, SetMode, SetOptions } from "./map_options.ts";
export * from "./map_raw.ts";
export type {
  BuildIdFrame,
  CgroupStorageKey,
  CpuTarget,
  DeviceTarget,
  Prefix,
} from "./map_shapes.ts";
export type { HasDescriptor, ValueCodec } from "./map_values.ts";
export * from "./object.ts";
export type { MapTypes, ObjectTypes, OtherName } from "./object_types.ts";
export * from "./outcome.ts";
export { type LoadOptions, type ObjectInput, openObject } from "./prepare.ts";
export { readUserFile } from "./user_file.ts";
export * from "./program.ts";
export type { ContextFields } from "./run_context.ts";
export type { LogLevel } from "./state.ts";
export * from "./requirements.ts";
export * from "./variable.ts";
export * from "./verifier_error.ts";
export * from "./verify.ts";
export * from "./verifier_log.ts";
