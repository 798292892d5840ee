/**
 * Decodes `struct bpf_map_info`, which BPF_OBJ_GET_INFO_BY_FD answers for a map.
 *
 * @module
 */

import { check } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type MapTypeName, mapTypeName } from "../../uapi/enums.ts";
import { structs, structSizes } from "../../uapi/layouts.ts";
import { StructReader } from "../../uapi/fields.ts";

/** What the kernel says about a map (`struct bpf_map_info`). */
export interface MapInfo {
  /** The id, unique while the map lives. */
  readonly id: number;
  /** The number of the type. */
  readonly type: number;
  /** The type's name, where this version knows it. */
  readonly typeName?: MapTypeName | undefined;
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

/** Asks the kernel about a map. Throws a `KernelError`. */
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
