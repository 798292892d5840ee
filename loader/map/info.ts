/**
 * Decodes `struct bpf_map_info`, which BPF_OBJ_GET_INFO_BY_FD answers for a map.
 *
 * @module
 */

import { check } from "../../errors/kernel_error.ts";
import { Fields } from "../../kernel/info_fields.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type MapTypeName, mapTypeName } from "../../uapi/enums.ts";

/** What the kernel says about a map (`struct bpf_map_info`). */
export interface MapInfo {
  /** The id, unique while the map lives. */
  readonly id: number;
  /** The number of the type. */
  readonly type: number;
  /** The type's name, where this version knows it. */
  readonly typeName?: MapTypeName;
  /** At most 15 characters. */
  readonly name: string;
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
  /** Id of the BTF that the type ids are in; 0 for none. */
  readonly btfId: number;
  /** Type id of the key. */
  readonly keyTypeId: number;
  /** Type id of the value. */
  readonly valueTypeId: number;
  /** struct_ops: type id in the kernel's BTF. */
  readonly vmlinuxValueTypeId: number;
  /** Network device of an offloaded map. */
  readonly ifindex: number;
}

/** Bytes of the fields of `struct bpf_map_info` that are read. */
const MAP_INFO_SIZE = 88;

/** Asks the kernel about a map. Throws a `KernelError`. */
export function mapInfo(kernel: Kernel, fd: number, subject: string): MapInfo {
  const { result, bytes } = kernel.objectInfo(fd, MAP_INFO_SIZE);
  check(result, { doing: "inspect map", subject, command: "BPF_OBJ_GET_INFO_BY_FD" });
  const fields = new Fields(bytes);
  const type = fields.u32(0);
  const typeName = mapTypeName(type);
  return {
    id: fields.u32(4),
    type,
    ...(typeName !== undefined ? { typeName } : {}),
    name: fields.text(24, 16),
    keySize: fields.u32(8),
    valueSize: fields.u32(12),
    maxEntries: fields.u32(16),
    flags: fields.u32(20),
    mapExtra: fields.u64(80),
    btfId: fields.u32(64),
    keyTypeId: fields.u32(68),
    valueTypeId: fields.u32(72),
    vmlinuxValueTypeId: fields.u32(44),
    ifindex: fields.u32(40),
  };
}
