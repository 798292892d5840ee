/**
 * Decodes `struct bpf_prog_info`, which BPF_OBJ_GET_INFO_BY_FD answers for a program.
 *
 * @module
 */

import type { ProgramInfoResult } from "../../kernel/kernel.ts";
import { type ProgramTypeName, programTypeName } from "../../uapi/enums.ts";
import { structs, structSizes } from "../../uapi/layouts.ts";
import { StructReader } from "../../uapi/fields.ts";

/** What the kernel says about a program (`struct bpf_prog_info`). */
export interface ProgramInfo {
  /** The id, unique while the program lives. */
  readonly id: number;
  /** The number of the type. */
  readonly type: number;
  /** The type's name, where this version knows it. */
  readonly typeName?: ProgramTypeName | undefined;
  /** The hash of the instructions, sixteen hexadecimal digits. */
  readonly tag: string;
  /** At most 15 characters. */
  readonly name: string;
  /** Bytes of the instructions after the verifier's rewriting; 0 when the kernel hides them. */
  readonly xlatedLength: number;
  /** Bytes of machine code; 0 without JIT or when the kernel hides it. */
  readonly jitedLength: number;
  /** Instructions that the verifier walked (Linux 5.16). */
  readonly verifiedInstructions: number;
  /** Nanoseconds since boot at which it was loaded. */
  readonly loadTime: bigint;
  /** The user that loaded it. */
  readonly uid: number;
  /** How many maps it uses. */
  readonly mapCount: number;
  /** Ids of the maps it uses. */
  readonly mapIds: readonly number[];
  /** Id of its BTF; 0 for none. */
  readonly btfId: number;
  /** Records of func_info that it has. */
  readonly funcInfoCount: number;
  /** Records of line_info that it has. */
  readonly lineInfoCount: number;
  /** Whether its license is compatible with the GPL. */
  readonly gplCompatible: boolean;
  /** Nanoseconds it has run, while statistics are on. */
  readonly runTime: bigint;
  /** How often it has run, while statistics are on. */
  readonly runCount: bigint;
  /** Runs that were left out because it was running already. */
  readonly recursionMisses: bigint;
  /** Type id of what it attaches to. */
  readonly attachBtfId: number;
  /** Id of the BTF of what it attaches to. */
  readonly attachBtfObjectId: number;
  /** Network device of an offloaded program. */
  readonly ifindex: number;
}

/** Decodes `struct bpf_prog_info`. */
export function decodeProgramInfo({ info, mapIds }: ProgramInfoResult): ProgramInfo {
  const read = new StructReader(info, structSizes.bpf_prog_info);
  const field = structs.bpf_prog_info;
  const type = read.number(field.type);
  const typeName = programTypeName(type);
  return {
    id: read.number(field.id),
    type,
    typeName,
    tag: read.hex(field.tag),
    name: read.text(field.name),
    xlatedLength: read.number(field.xlated_prog_len),
    jitedLength: read.number(field.jited_prog_len),
    verifiedInstructions: read.number(field.verified_insns),
    loadTime: read.long(field.load_time),
    uid: read.number(field.created_by_uid),
    mapCount: read.number(field.nr_map_ids),
    mapIds,
    btfId: read.number(field.btf_id),
    funcInfoCount: read.number(field.nr_func_info),
    lineInfoCount: read.number(field.nr_line_info),
    gplCompatible: read.number(field.gpl_compatible) !== 0,
    runTime: read.long(field.run_time_ns),
    runCount: read.long(field.run_cnt),
    recursionMisses: read.long(field.recursion_misses),
    attachBtfId: read.number(field.attach_btf_id),
    attachBtfObjectId: read.number(field.attach_btf_obj_id),
    ifindex: read.number(field.ifindex),
  };
}
