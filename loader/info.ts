/**
 * Decodes what BPF_OBJ_GET_INFO_BY_FD answers about maps and programs.
 *
 * The structs only ever grow at their end; what a kernel does not write reads as zero.
 *
 * @module
 */

import type { Kernel, ProgramInfoResult } from "../kernel/kernel.ts";
import { check } from "../kernel/error.ts";
import {
  type MapTypeName,
  mapTypeName,
  type ProgramTypeName,
  programTypeName,
} from "../object/kernel_enums.ts";

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

/** Reads fields of a struct that may be shorter than it is known today. */
class Fields {
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u32(at: number): number {
    return at + 4 <= this.#view.byteLength ? this.#view.getUint32(at, true) : 0;
  }

  u64(at: number): bigint {
    return at + 8 <= this.#view.byteLength ? this.#view.getBigUint64(at, true) : 0n;
  }

  text(at: number, size: number): string {
    let text = "";
    for (let i = at; i < at + size && i < this.#view.byteLength; i++) {
      const code = this.#view.getUint8(i);
      if (code === 0) break;
      text += String.fromCharCode(code);
    }
    return text;
  }

  hex(at: number, size: number): string {
    let text = "";
    for (let i = at; i < at + size && i < this.#view.byteLength; i++) {
      text += this.#view.getUint8(i).toString(16).padStart(2, "0");
    }
    return text;
  }
}

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

/** What the kernel says about a program (`struct bpf_prog_info`). */
export interface ProgramInfo {
  /** The id, unique while the program lives. */
  readonly id: number;
  /** The number of the type. */
  readonly type: number;
  /** The type's name, where this version knows it. */
  readonly typeName?: ProgramTypeName;
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
    ...(typeName !== undefined ? { typeName } : {}),
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
