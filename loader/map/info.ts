/**
 * Decodes `struct bpf_map_info`, which BPF_OBJ_GET_INFO_BY_FD returns for a map.
 *
 * @module
 */

import { check } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type MapTypeName, mapTypeName } from "../../uapi/enums.ts";
import { structs, structSizes } from "../../uapi/layouts.ts";
import { StructReader } from "../../uapi/fields.ts";

/** Information from the kernel about a map (`struct bpf_map_info`). */
export interface MapInfo {
  /** The map's id, unique while the map exists. */
  readonly id: number;
  /** The map type's number. */
  readonly type: number;
  /** The map type's name; undefined for a type that this version has no name for. */
  readonly typeName?: MapTypeName | undefined;
  /** The map's name in the kernel, at most 15 characters. */
  readonly name: string;
  /** Size of a key in bytes. */
  readonly keySize: number;
  /** Size of a value in bytes. */
  readonly valueSize: number;
  /** Largest number of elements; bytes of a ring buffer, pages of an arena. */
  readonly maxEntries: number;
  /** Flags (BPF_F_…) that the map was created with, without BPF_F_TOKEN_FD. */
  readonly flags: number;
  /** `map_extra`: hash functions of a bloom filter, address of an arena. */
  readonly mapExtra: bigint;
  /** Id of the BTF that has the key's and value's types; 0 for none. */
  readonly btfId: number;
  /** Type id of the key; 0 for none. */
  readonly keyTypeId: number;
  /** Type id of the value; 0 for none. */
  readonly valueTypeId: number;
  /** Type id of a struct_ops map's value in the kernel's BTF; 0 for other maps. */
  readonly vmlinuxValueTypeId: number;
  /** Index of the network device of an offloaded map; 0 for others. */
  readonly ifindex: number;
}

/**
 * Reads the kernel's information about a map.
 *
 * @throws {KernelError} when BPF_OBJ_GET_INFO_BY_FD fails.
 */
export function mapInfo(kernel: Kernel, fd: number, subject: string): MapInfo {
  const { result, bytes } = kernel.objectInfo(fd, structSizes.bpf_map_info);
  check(result, { doing: "inspect map", subject, command: "BPF_OBJ_GET_INFO_BY_FD" });
  const info = new StructReader(bytes, structSizes.bpf_map_info);
  const field = structs.bpf_map_info;
  const type = info.number(field.type);
  const typeName = mapTypeName(type);
  return {
    id: info.number(field.id),
    type,
    typeName,
    name: info.text(field.name),
    keySize: info.number(field.key_size),
    valueSize: info.number(field.value_size),
    maxEntries: info.number(field.max_entries),
    flags: info.number(field.map_flags),
    mapExtra: info.long(field.map_extra),
    btfId: info.number(field.btf_id),
    keyTypeId: info.number(field.btf_key_type_id),
    valueTypeId: info.number(field.btf_value_type_id),
    vmlinuxValueTypeId: info.number(field.btf_vmlinux_value_type_id),
    ifindex: info.number(field.ifindex),
  };
}
