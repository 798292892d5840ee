/**
 * How a map's spec becomes the arguments of BPF_MAP_CREATE: libbpf's rules, as pure functions.
 *
 * @module
 */

import { MapType } from "../../uapi/enums.ts";
import { mapTypeTraits } from "./map_traits.ts";
import type { MapSpec } from "./spec.ts";
import { BPF_F_RDONLY_PROG, BPF_F_VTYPE_BTF_OBJ_FD } from "../../uapi/bpf_flags.ts";

/** What the rules need to know of the machine. */
export interface MapMachine {
  /** Bytes of a page. */
  readonly pageSize: number;
  /** The highest CPU that can ever be, plus one. */
  readonly possibleCpus: number;
}

/** The number of a map's type. */
export function mapTypeNumber(spec: MapSpec): number {
  return typeof spec.type === "number" ? spec.type : MapType[spec.type];
}

/** Whether a map of the type holds maps. */
export function holdsMaps(type: MapSpec["type"]): boolean {
  return mapTypeTraits(type).kind === "maps";
}

/** Whether each CPU has its own value. */
function isPerCpu(type: MapSpec["type"]): boolean {
  return mapTypeTraits(type).kind === "per-cpu";
}

/** Bytes of a value as the element commands move it: all CPUs, each rounded up to eight. */
export function transferSize(type: number, valueSize: number, possibleCpus: number): number {
  if (isPerCpu(type)) return roundUp(valueSize, 8) * possibleCpus;
  // The kernel answers the id of an inner map or a program, whatever the map's value size.
  return holdsMaps(type) ? 4 : valueSize;
}

/** The least multiple of `step` that is not below `size`. */
export function roundUp(size: number, step: number): number {
  return Math.ceil(size / step) * step;
}

/**
 * The number of entries to ask for: by CPU count where a perf event array leaves it open, and for
 * ring buffers the next power of two that is a multiple of the page size.
 */
export function effectiveMaxEntries(
  type: number,
  maxEntries: number,
  machine: MapMachine,
): number {
  if (type === MapType.perf_event_array && maxEntries === 0) return machine.possibleCpus;
  if (type === MapType.ringbuf || type === MapType.user_ringbuf) {
    return ringBufferSize(maxEntries, machine.pageSize);
  }
  return maxEntries;
}

/**
 * The size of a ring buffer that is asked for as `size` bytes: rounded up to a power of two of whole
 * pages; 0 stays 0 and what is above 2^31 stays as it is (the kernel refuses both).
 */
export function ringBufferSize(size: number, pageSize: number): number {
  if (size === 0) return 0;
  const fits = size % pageSize === 0 && isPowerOfTwo(size / pageSize);
  if (fits || size > 2 ** 31) return size;
  let rounded = pageSize;
  while (rounded < size) rounded *= 2;
  return rounded;
}

function isPowerOfTwo(value: number): boolean {
  return value >= 1 && Number.isInteger(Math.log2(value));
}

/** Bytes that a map of one array maps into memory: each value rounded up to eight, the whole to pages. */
export function mappedSize(spec: MapSpec, machine: MapMachine): number {
  const type = mapTypeNumber(spec);
  if (type === MapType.arena) return machine.pageSize * spec.maxEntries;
  return roundUp(roundUp(spec.valueSize, 8) * spec.maxEntries, machine.pageSize);
}

/** The arguments of BPF_MAP_CREATE that follow from a spec: the kernel's `MapCreate` in its own words. */
export interface MapCreateArguments {
  /** The number of the map type. */
  readonly type: number;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of a value. */
  readonly valueSize: number;
  /** Most elements. */
  readonly maxEntries: number;
  /** BPF_F_…, without BPF_F_TOKEN_FD. */
  readonly flags: number;
  /** At most 15 characters. */
  readonly name: string;
  /** With BPF_F_NUMA_NODE. */
  readonly numaNode?: number | undefined;
  /** Per-type extra. */
  readonly mapExtra?: bigint | undefined;
  /** The BTF that key and value types are in. */
  readonly btfFd?: number | undefined;
  /** Type id of the key. */
  readonly keyTypeId?: number | undefined;
  /** Type id of the value. */
  readonly valueTypeId?: number | undefined;
  /** struct_ops: the value's type id in the kernel's BTF. */
  readonly vmlinuxValueTypeId?: number | undefined;
  /** struct_ops: the module's BTF. */
  readonly valueTypeBtfObjFd?: number | undefined;
  /** A map as the template of inner maps. */
  readonly innerMapFd?: number | undefined;
  /** A BPF token. */
  readonly tokenFd?: number | undefined;
}

/** What creating a map takes beside its spec. */
export interface MapContext {
  /** The machine. */
  readonly machine: MapMachine;
  /** The object's BTF in the kernel. */
  readonly btfFd?: number | undefined;
  /** The token. */
  readonly tokenFd?: number | undefined;
  /** The template of inner maps. */
  readonly innerMapFd?: number | undefined;
  /** struct_ops: the value's type in the kernel's BTF, and the module's BTF. */
  readonly structOps?:
    | { readonly valueTypeId: number; readonly moduleFd?: number | undefined }
    | undefined;
}

/** The arguments of BPF_MAP_CREATE for a map. */
export function mapCreateArguments(spec: MapSpec, context: MapContext): MapCreateArguments {
  const type = mapTypeNumber(spec);
  const { btfFd, tokenFd, innerMapFd, structOps, machine } = context;
  const moduleFd = structOps?.moduleFd;
  const withBtf = btfFd !== undefined && mapTypeTraits(type).btf &&
    (spec.keyTypeId !== 0 || spec.valueTypeId !== 0 || type === MapType.struct_ops);
  return {
    type,
    keySize: spec.keySize,
    valueSize: spec.valueSize,
    maxEntries: effectiveMaxEntries(type, spec.maxEntries, machine),
    flags: (spec.flags | (moduleFd !== undefined ? BPF_F_VTYPE_BTF_OBJ_FD : 0)) >>> 0,
    name: spec.kernelName,
    numaNode: spec.numaNode !== 0 ? spec.numaNode : undefined,
    mapExtra: spec.mapExtra !== 0n ? spec.mapExtra : undefined,
    btfFd: withBtf ? btfFd : undefined,
    keyTypeId: withBtf ? spec.keyTypeId : undefined,
    valueTypeId: withBtf ? type === MapType.struct_ops ? 0 : spec.valueTypeId : undefined,
    vmlinuxValueTypeId: structOps !== undefined ? structOps.valueTypeId : undefined,
    valueTypeBtfObjFd: moduleFd,
    innerMapFd,
    tokenFd,
  };
}

/** The same arguments without the object's BTF, for the second try. */
export function withoutBtf(attributes: MapCreateArguments): MapCreateArguments {
  const { btfFd: _fd, keyTypeId: _key, valueTypeId: _value, ...rest } = attributes;
  return rest;
}

/** What `struct bpf_map_info` says that pinning by name compares. */
export interface MapShape {
  /** The number of the type. */
  readonly type: number;
  /** Bytes. */
  readonly keySize: number;
  /** Bytes. */
  readonly valueSize: number;
  /** Most elements. */
  readonly maxEntries: number;
  /** BPF_F_…, without BPF_F_TOKEN_FD. */
  readonly flags: number;
  /** Per-type extra. */
  readonly mapExtra: bigint;
}

/** One field in which a pinned map differs from the object's. */
export interface ShapeDifference {
  /** The field's name. */
  readonly field: keyof MapShape;
  /** What the object wants. */
  readonly wanted: string;
  /** What is pinned. */
  readonly pinned: string;
}

/** In what a pinned map differs from what the object would create; empty when it can be used. */
export function shapeDifferences(wanted: MapShape, pinned: MapShape): ShapeDifference[] {
  // A device map gets BPF_F_RDONLY_PROG from the kernel itself.
  const ignored = wanted.type === MapType.devmap || wanted.type === MapType.devmap_hash
    ? BPF_F_RDONLY_PROG
    : 0;
  const plain = (shape: MapShape): MapShape => ({ ...shape, flags: shape.flags & ~ignored });
  const a = plain(wanted);
  const b = plain(pinned);
  const fields = ["type", "keySize", "valueSize", "maxEntries", "flags", "mapExtra"] as const;
  return fields.filter((field) => a[field] !== b[field])
    .map((field) => ({ field, wanted: String(a[field]), pinned: String(b[field]) }));
}
