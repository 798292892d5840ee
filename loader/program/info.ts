/**
 * Decodes `struct bpf_prog_info`, which BPF_OBJ_GET_INFO_BY_FD returns for a program.
 *
 * @module
 */

import type { ProgramInfoResult } from "../../kernel/kernel.ts";
import { type ProgramTypeName, programTypeName } from "../../uapi/enums.ts";
import { structs, structSizes } from "../../uapi/layouts.ts";
import { StructReader } from "../../uapi/fields.ts";

/** Decoded `struct bpf_prog_info`. Fields that an older kernel does not have are 0. */
export interface ProgramInfo {
  /** Program id, unique while the program exists. */
  readonly id: number;
  /** Number of the program type. */
  readonly type: number;
  /** Name of the program type; undefined when it is not known. */
  readonly typeName?: ProgramTypeName | undefined;
  /** Program tag: a hash of the instructions as sixteen hexadecimal digits. */
  readonly tag: string;
  /** Name, at most 15 characters. */
  readonly name: string;
  /** Size in bytes of the instructions as rewritten by the verifier; 0 when the kernel hides them. */
  readonly xlatedLength: number;
  /** Size in bytes of the machine code; 0 without JIT or when the kernel hides it. */
  readonly jitedLength: number;
  /** Number of instructions that the verifier processed (Linux 5.16). */
  readonly verifiedInstructions: number;
  /** Time of the load in nanoseconds since boot. */
  readonly loadTime: bigint;
  /** User id that loaded it. */
  readonly uid: number;
  /** Number of maps it uses. */
  readonly mapCount: number;
  /** Ids of the maps it uses; empty unless requested with `mapIds`. */
  readonly mapIds: readonly number[];
  /** Id of its BTF; 0 for none. */
  readonly btfId: number;
  /** Number of func_info records. */
  readonly funcInfoCount: number;
  /** Number of line_info records. */
  readonly lineInfoCount: number;
  /** Whether its license is GPL-compatible. */
  readonly gplCompatible: boolean;
  /** Total run time in nanoseconds while statistics were enabled. */
  readonly runTime: bigint;
  /** Number of runs while statistics were enabled. */
  readonly runCount: bigint;
  /** Number of runs skipped because the program was already running. */
  readonly recursionMisses: bigint;
  /** Type id of its attach target in BTF; 0 for none. */
  readonly attachBtfId: number;
  /** Id of the BTF that contains its attach target; 0 for none. */
  readonly attachBtfObjectId: number;
  /** Index of the network device of an offloaded program; 0 for none. */
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
