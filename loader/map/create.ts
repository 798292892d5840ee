/**
 * Creates maps that no object describes.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { cutBtf } from "../../btf/build/extract.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { check } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { MapType, type MapTypeName } from "../../uapi/enums.ts";
import type { Token } from "../../token/token.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import type { MapParts } from "./parts.ts";
import { effectiveMaxEntries } from "../../object/spec/map_rules.ts";
import { mapTypeTraits } from "../../object/spec/map_traits.ts";
import type { HasDescriptor } from "./values.ts";
import { explainRefused } from "../features/refusals.ts";

/** Reference to a BTF type: its name or its id. */
export type TypeReference = string | number;

/**
 * Properties of a new map.
 *
 * @typeParam T The name of the map type.
 */
export interface MapCreateOptions<T extends MapTypeName = MapTypeName> {
  /** The map type's name. */
  readonly type: T;
  /** The map's name in the kernel: at most 15 letters, digits, `_` and `.`. @default {""} */
  readonly name?: string | undefined;
  /** Size of a key in bytes. Defaults to the size of its BTF type, else to the size that the map type requires. */
  readonly keySize?: number | undefined;
  /** Size of a value in bytes. Defaults as `keySize` does. */
  readonly valueSize?: number | undefined;
  /** Largest number of elements; bytes of a ring buffer, pages of an arena. Omit for local storage and struct_ops. */
  readonly maxEntries?: number | undefined;
  /** Flags (BPF_F_…). @default {0} */
  readonly flags?: number | undefined;
  /** `map_extra`: number of hash functions of a bloom filter, address of an arena. @default {0n} */
  readonly mapExtra?: bigint | undefined;
  /** The NUMA node of the map's memory, with BPF_F_NUMA_NODE. */
  readonly numaNode?: number | undefined;
  /** Template of the inner maps of a map of maps. It may be closed after the call. */
  readonly inner?: HasDescriptor | undefined;
  /**
   * BTF types of key and value, by which JS values are encoded. They are passed to the kernel for map types
   * that accept BTF.
   */
  readonly types?: {
    /** The BTF that has the types. */
    readonly btf: Btf;
    /** The key's type. */
    readonly key?: TypeReference | undefined;
    /** The value's type. */
    readonly value?: TypeReference | undefined;
  } | undefined;
  /** A token that delegates BPF_MAP_CREATE, and BPF_BTF_LOAD with types. */
  readonly token?: Token | undefined;
  /**
   * The kernel in which the map is created.
   *
   * @default the kernel that this process runs on
   */
  readonly kernel?: Kernel | undefined;
}

/**
 * Creates a map.
 *
 * @throws {SkepError} ENOENT when the BTF has no type of a name.
 * @throws {DelegationError} when the token does not delegate what the map needs.
 * @throws {KernelError} when the kernel refuses the BTF or the map otherwise.
 */
export function createNewMap(kernel: Kernel, options: MapCreateOptions): MapParts {
  const { name = "", flags = 0, mapExtra = 0n, numaNode, inner, types, token } = options;
  const type = MapType[options.type];
  const keyTypeId = types?.key === undefined ? 0 : typeId(types.btf, types.key);
  const valueTypeId = types?.value === undefined ? 0 : typeId(types.btf, types.value);
  const keySize = options.keySize ??
    (types !== undefined && keyTypeId !== 0 ? types.btf.size(keyTypeId) : usualKeySize(type));
  const valueSize = options.valueSize ??
    (types !== undefined && valueTypeId !== 0 ? types.btf.size(valueTypeId) : usualValueSize(type));
  const maxEntries = effectiveMaxEntries(type, options.maxEntries ?? 0, kernel.machine);
  const tokenFd = token?.fd;
  const typed = types !== undefined && mapTypeTraits(type).btf && keyTypeId + valueTypeId > 0;
  // Only these types: the kernel refuses an object's BTF before it is sanitized.
  const cut = typed ? cutBtf(types.btf, [keyTypeId, valueTypeId]) : undefined;
  using btf = cut === undefined ? undefined : loadBtf(kernel, cut.bytes, tokenFd);
  const result = kernel.mapCreate({
    type,
    keySize,
    valueSize,
    maxEntries,
    flags,
    name,
    mapExtra: mapExtra || undefined,
    numaNode,
    innerMapFd: inner?.fd,
    btfFd: btf?.fd,
    keyTypeId: btf && cut?.ids.get(keyTypeId),
    valueTypeId: btf && cut?.ids.get(valueTypeId),
    tokenFd,
  });
  if (result < 0) {
    throw explainRefused(kernel, token, {
      doing: "create map",
      subject: name === "" ? options.type : name,
      command: "BPF_MAP_CREATE",
      result,
      stage: "map",
      data: { type: options.type, keySize, valueSize, maxEntries, flags },
    }, {
      kind: "map",
      map: { type: options.type, keySize, valueSize, maxEntries, flags, mapExtra },
    });
  }
  return {
    kernel,
    descriptor: new Descriptor(kernel, result),
    name,
    type,
    keySize,
    valueSize,
    maxEntries,
    flags,
    mapExtra,
    btf: types?.btf,
    keyTypeId,
    valueTypeId,
  };
}

function loadBtf(kernel: Kernel, bytes: Uint8Array, tokenFd: number | undefined): Descriptor {
  const { result } = kernel.btfLoad({ bytes, tokenFd });
  const facts = { doing: "load", subject: "BTF of the map's types", command: "BPF_BTF_LOAD" };
  return new Descriptor(kernel, check(result, { ...facts, stage: "btf" }));
}

function typeId(btf: Btf, type: TypeReference): number {
  if (typeof type === "number") return type;
  const found = btf.find(type, ["typedef", "struct", "union", "int", "enum", "enum64"]);
  if (found !== undefined) return found;
  throw new SkepError({
    doing: "create map",
    subject: `type ${type}`,
    errno: "ENOENT",
    stage: "usage",
    why: `${btf.name} has no such type`,
  });
}

/** Returns the key size that the map type requires: four bytes for indices and descriptors, else 0. */
function usualKeySize(type: number): number {
  const { key } = mapTypeTraits(type);
  return key === "index" || key === "descriptor" ? 4 : 0;
}

function usualValueSize(type: number): number {
  const { value } = mapTypeTraits(type);
  return value === "descriptor" ? 4 : value === "device" || value === "cpu" ? 8 : 0;
}
