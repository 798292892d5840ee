/**
 * Decodes `struct bpf_prog_info`, which BPF_OBJ_GET_INFO_BY_FD answers for a program.
 *
 * @module
 */

import { Fields } from "../../kernel/info_fields.ts";
import type { ProgramInfoResult } from "../../kernel/kernel.ts";
import { type ProgramTypeName, programTypeName } from "../../uapi/enums.ts";

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
  const fields = new Fields(info);
  const type = fields.u32(0);
  const typeName = programTypeName(type);
  return {
    id: fields.u32(4),
    type,
    typeName,
    tag: fields.hex(8, 8),
    name: fields.text(64, 16),
    xlatedLength: fields.u32(20),
    jitedLength: fields.u32(16),
    verifiedInstructions: fields.u32(216),
    loadTime: fields.u64(40),
    uid: fields.u32(48),
    mapCount: fields.u32(52),
    mapIds,
    btfId: fields.u32(128),
    funcInfoCount: fields.u32(144),
    lineInfoCount: fields.u32(148),
    gplCompatible: (fields.u32(84) & 1) !== 0,
    runTime: fields.u64(192),
    runCount: fields.u64(200),
    recursionMisses: fields.u64(208),
    attachBtfId: fields.u32(224),
    attachBtfObjectId: fields.u32(220),
    ifindex: fields.u32(80),
  };
}
