/**
 * Makes maps that no object describes.
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

/** A type of a BTF: its name, or its id. */
export type TypeReference = string | number;

/**
 * What a new map is.
 *
 * @typeParam T The name of its type.
 */
export interface MapCreateOptions<T extends MapTypeName = MapTypeName> {
  /** The kernel's name of the type. */
  readonly type: T;
  /** The name that the kernel shows, at most 15 letters, digits, `_` and `.`; none unless told. */
  readonly name?: string | undefined;
  /** Bytes of a key; left out, that of its BTF type, or the only size that the type of map has. */
  readonly keySize?: number | undefined;
  /** Bytes of a value; as `keySize`. */
  readonly valueSize?: number | undefined;
  /** Most elements; bytes of a ring buffer, pages of an arena. Storages and struct_ops take none. */
  readonly maxEntries?: number | undefined;
  /** BPF_F_… */
  readonly flags?: number | undefined;
  /** Per-type extra: the hash functions of a bloom filter, the address of an arena. */
  readonly mapExtra?: bigint | undefined;
  /** The NUMA node, with BPF_F_NUMA_NODE. */
  readonly numaNode?: number | undefined;
  /** Map of maps: a map of the kind that it will hold. It may be closed afterwards. */
  readonly inner?: HasDescriptor | undefined;
  /** The types of key and value: JS values follow them, and the kernel is told where it wants to know. */
  readonly types?: {
    /** The BTF that they are in. */
    readonly btf: Btf;
    /** The key's. */
    readonly key?: TypeReference | undefined;
    /** The value's. */
    readonly value?: TypeReference | undefined;
  } | undefined;
  /** A token that permits it. */
  readonly token?: Token | undefined;
  /** The kernel; this machine's unless told. */
  readonly kernel?: Kernel | undefined;
}

/** Makes a map. Throws a `KernelError`, or a `DelegationError` where a token does not permit it. */
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
  // These types alone: an object's whole BTF is not as the kernel takes it.
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

/** Indices and descriptors are words of four bytes; what has no keys has none. */
function usualKeySize(type: number): number {
  const { key } = mapTypeTraits(type);
  return key === "index" || key === "descriptor" ? 4 : 0;
}

function usualValueSize(type: number): number {
  const { value } = mapTypeTraits(type);
  return value === "descriptor" ? 4 : value === "device" || value === "cpu" ? 8 : 0;
}
