/**
 * Live maps: elements as bytes and as typed values, iteration, batches, memory, pins.
 *
 * Imports: uapi, errors, btf, object, kernel, token, loader/features, loader/stream.
 *
 * @module
 */

export * from "./info.ts";
export * from "./map.ts";
export type { MapParts } from "./parts.ts";
export type { MapCreateOptions, TypeReference } from "./create.ts";
export type { ElementCodecs, ElementIterator, ElementPart } from "./iterator.ts";
export type { GetOptions, Input, OneCpu, SetMode, SetOptions } from "./options.ts";
export * from "./raw.ts";
export type { BuildIdFrame, CgroupStorageKey, CpuTarget, DeviceTarget, Prefix } from "./shapes.ts";
export type { HasDescriptor, ValueCodec } from "./values.ts";
export * from "./variable.ts";
