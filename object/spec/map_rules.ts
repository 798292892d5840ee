/**
 * Derives the arguments of BPF_MAP_CREATE from a map's spec, by libbpf's rules.
 *
 * @module
 */

import { MapType } from "../../uapi/enums.ts";
import { mapTypeTraits } from "./map_traits.ts";
import type { MapSpec } from "./spec.ts";
import { BPF_F_RDONLY_PROG, BPF_F_VTYPE_BTF_OBJ_FD } from "../../uapi/bpf_flags.ts";

/** Properties of the machine that the rules depend on. */
export interface MapMachine {
  /** Size of a page in bytes. */
  readonly pageSize: number;
  /** Number of possible CPUs: the highest possible CPU number plus one. */
  readonly possibleCpus: number;
}

/** Returns the number of a map's type. */
export function mapTypeNumber(spec: MapSpec): number {
  return typeof spec.type === "number" ? spec.type : MapType[spec.type];
}

/** Returns whether maps of a type contain maps. */
export function holdsMaps(type: MapSpec["type"]): boolean {
  return mapTypeTraits(type).kind === "maps";
}

/** Returns whether elements have a value per CPU. */
function isPerCpu(type: MapSpec["type"]): boolean {
  return mapTypeTraits(type).kind === "per-cpu";
}

/**
 * Returns the size of a value in bytes as the BPF_MAP_*_ELEM commands copy it: for per-CPU types all possible
 * CPUs' values, each rounded up to eight bytes.
 */
export function transferSize(type: number, valueSize: number, possibleCpus: number): number {
  if (isPerCpu(type)) return roundUp(valueSize, 8) * possibleCpus;
  // Lookups return the 32-bit id of the inner map.
  return holdsMaps(type) ? 4 : valueSize;
}

/** Rounds `size` up to a multiple of `step`. */
export function roundUp(size: number, step: number): number {
  return Math.ceil(size / step) * step;
}

/**
 * Returns the max_entries to create a map with: the number of possible CPUs for a perf event array with 0,
 * and {@linkcode ringBufferSize} for ring buffers.
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
 * Rounds the size of a ring buffer in bytes up to a power of two of pages. Returns 0 and sizes above 2^31
 * unchanged, which the kernel refuses.
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

/**
 * Returns the size in bytes of a memory mapping of an array or arena. Each value of an array is rounded up to
 * eight bytes, and the total to pages; an arena's max_entries counts pages.
 */
export function mappedSize(spec: MapSpec, machine: MapMachine): number {
  const type = mapTypeNumber(spec);
  if (type === MapType.arena) return machine.pageSize * spec.maxEntries;
  return roundUp(roundUp(spec.valueSize, 8) * spec.maxEntries, machine.pageSize);
}

/** Arguments of BPF_MAP_CREATE derived from a spec, with the fields of the kernel interface's `MapCreate`. */
export interface MapCreateArguments {
  /** Number of the map type. */
  readonly type: number;
  /** Size of a key in bytes. */
  readonly keySize: number;
  /** Size of a value in bytes. */
  readonly valueSize: number;
  /** Maximum number of elements. */
  readonly maxEntries: number;
  /** Map flags (BPF_F_…), without BPF_F_TOKEN_FD. */
  readonly flags: number;
  /** Name, at most 15 characters. */
  readonly name: string;
  /** NUMA node; used with BPF_F_NUMA_NODE. */
  readonly numaNode?: number | undefined;
  /** map_extra, whose meaning depends on the type. */
  readonly mapExtra?: bigint | undefined;
  /** Descriptor of the BTF with the key and value types. */
  readonly btfFd?: number | undefined;
  /** Type id of the key. */
  readonly keyTypeId?: number | undefined;
  /** Type id of the value. */
  readonly valueTypeId?: number | undefined;
  /** struct_ops: type id of the value in the kernel's BTF. */
  readonly vmlinuxValueTypeId?: number | undefined;
  /** struct_ops: descriptor of the module's BTF. */
  readonly valueTypeBtfObjFd?: number | undefined;
  /** Descriptor of a map that is the template of inner maps. */
  readonly innerMapFd?: number | undefined;
  /** Descriptor of a BPF token. */
  readonly tokenFd?: number | undefined;
}

/** Input of {@linkcode mapCreateArguments} besides the spec. */
export interface MapContext {
  /** Properties of the machine. */
  readonly machine: MapMachine;
  /** Descriptor of the object's loaded BTF. */
  readonly btfFd?: number | undefined;
  /** Descriptor of the token. */
  readonly tokenFd?: number | undefined;
  /** Descriptor of the template of inner maps. */
  readonly innerMapFd?: number | undefined;
  /** struct_ops: type id of the value in the kernel's BTF, and descriptor of the module's BTF. */
  readonly structOps?:
    | { readonly valueTypeId: number; readonly moduleFd?: number | undefined }
    | undefined;
}

/** Returns the arguments of BPF_MAP_CREATE for a map. */
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

/** Returns the arguments without BTF, to retry when the kernel refuses the map's BTF. */
export function withoutBtf(attributes: MapCreateArguments): MapCreateArguments {
  const { btfFd: _fd, keyTypeId: _key, valueTypeId: _value, ...rest } = attributes;
  return rest;
}

/** Fields of `struct bpf_map_info` that pinning by name compares. */
export interface MapShape {
  /** Number of the type. */
  readonly type: number;
  /** Size in bytes. */
  readonly keySize: number;
  /** Size in bytes. */
  readonly valueSize: number;
  /** Maximum number of elements. */
  readonly maxEntries: number;
  /** Map flags (BPF_F_…), without BPF_F_TOKEN_FD. */
  readonly flags: number;
  /** map_extra, whose meaning depends on the type. */
  readonly mapExtra: bigint;
}

/** A field in which a pinned map differs from the object's map. */
export interface ShapeDifference {
  /** Name of the field. */
  readonly field: keyof MapShape;
  /** Value of the object's map. */
  readonly wanted: string;
  /** Value of the pinned map. */
  readonly pinned: string;
}

/** Returns the fields in which a pinned map differs from the object's map; empty when it can be reused. */
export function shapeDifferences(wanted: MapShape, pinned: MapShape): ShapeDifference[] {
  // The kernel adds BPF_F_RDONLY_PROG to device maps (dev_map_init_map()).
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
