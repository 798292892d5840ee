/**
 * Accesses maps in the kernel: elements as bytes and as typed values, iteration, batches, memory, pins.
 *
 * Imports: uapi, errors, btf, object, kernel, token, loader/features, loader/stream.
 *
 * @module
 */

export type { AnyMap } from "./any_map.ts";
export * from "./element_map.ts";
export * from "./event_maps.ts";
export * from "./holder_maps.ts";
export * from "./info.ts";
export * from "./keyed_map.ts";
export { LiveMap } from "./live_map.ts";
export { BpfMap, type MapOpenOptions } from "./map.ts";
export { ArenaMap, ArrayMap } from "./memory_maps.ts";
export * from "./per_cpu_map.ts";
export * from "./queue_maps.ts";
export type { MapParts } from "./parts.ts";
export type { MapCreateOptions, TypeReference } from "./create.ts";
export type { ElementCodecs, ElementIterator, ElementPart } from "./iterator.ts";
export type {
  GetOptions,
  Input,
  OneCpu,
  PushOptions,
  SetMode,
  SetOptions,
  WriterOptions,
} from "./options.ts";
export * from "./raw.ts";
export type { BuildIdFrame, CgroupStorageKey, CpuTarget, DeviceTarget, Prefix } from "./shapes.ts";
export type { HasDescriptor, ValueCodec } from "./values.ts";
export type { TypedElements } from "./typed_elements.ts";
export * from "./variable.ts";
