/**
 * Specs: what a compiled BPF object contains, as plain data.
 *
 * A spec is parsed from bytes without any system call, is the same on every machine, and is freely
 * edited before it is loaded.
 *
 * @module
 */

import type { CoreDecision } from "../../btf/core/mod.ts";
import type { AttachTypeName, MapTypeName, ProgramTypeName } from "../../uapi/enums.ts";
import type { AttachSpec } from "../section/attach_spec.ts";

/** Where a map of an object comes from. */
export type MapOrigin =
  | "maps"
  | "data"
  | "rodata"
  | "bss"
  | "kconfig"
  | "struct_ops"
  | "arena"
  | "legacy"
  | "jumptable"
  | "inner";

/** One static slot of a map's `values`: an inner map or, in a prog array, a program. */
export interface MapSlot {
  /** The index. */
  readonly index: number;
  /** The map's or program's name. */
  readonly name: string;
}

/** A struct_ops map: a struct of the kernel whose function pointers are programs. */
export interface StructOpsSpec {
  /** The struct's name, `tcp_congestion_ops`, with its `___flavor` if it has one. */
  readonly typeName: string;
  /** The struct's id in the object's BTF. */
  readonly typeId: number;
  /** The names of all members, in the order of the object's BTF. */
  members(): string[];
  /** The program of a function pointer; undefined for none. Throws for anything else. */
  program(member: string): string | undefined;
  /** Makes a program (by name) a member's function; undefined leaves the pointer null. */
  setProgram(member: string, program: string | undefined): void;
  /** All function pointers that have a program: the member and the program's name. */
  programs(): readonly { readonly member: string; readonly program: string }[];
  /** A data member's value, by BTF. */
  get(member: string): unknown;
  /** Sets a data member. */
  set(member: string, value: unknown): void;
}

/** A map as the object defines it. */
export interface MapSpec {
  /** The name in the API: the variable's, or `.rodata`, `.data.custom` … */
  readonly name: string;
  /** At most 15 characters, as the kernel will show it: libbpf's rule. */
  kernelName: string;
  /** Where it comes from. */
  readonly origin: MapOrigin;
  /** The ELF section it comes from. */
  readonly section: string;
  /** The kernel's name of the type, or its number where this version has no name for it. */
  type: MapTypeName | number;
  /** Bytes. */
  keySize: number;
  /** Bytes. */
  valueSize: number;
  /** As written; 0 means "by CPU count" for perf_event_array. Rounding for ring buffers is done at load. */
  maxEntries: number;
  /** BPF_F_… */
  flags: number;
  /** With BPF_F_NUMA_NODE. */
  numaNode: number;
  /** map_extra. */
  mapExtra: bigint;
  /** `by-name` pins at `pinRoot/name`. */
  pinning: "none" | "by-name";
  /** Overrides the pin path. */
  pinPath?: string | undefined;
  /** Ids in the object's BTF; 0 for none. */
  keyTypeId: number;
  /** Ids in the object's BTF; 0 for none. For data sections, the datasec's id. */
  valueTypeId: number;
  /** The template of inner maps. */
  readonly inner?: MapSpec | undefined;
  /** Static slots. */
  readonly slots: readonly MapSlot[];
  /**
   * Initial bytes of a data section (edited through variables), of an arena's globals or of a
   * struct_ops value; undefined for all other maps. Made at first use, so that a large `.bss` costs
   * nothing until somebody asks for it.
   */
  contents: Uint8Array<ArrayBuffer> | undefined;
  /** Whether the contents are all zeroes because nobody asked for them: nothing need be written. */
  readonly zeroed: boolean;
  /** The place in the object's list of maps: what poisoned code says. */
  readonly index: number;
  /** What a struct_ops map is made of. */
  readonly structOps?: StructOpsSpec | undefined;
  /** Whether it is created at load. */
  autocreate: boolean;
  /** struct_ops: whether attach() attaches it. */
  autoattach: boolean;
}

/** A program as the object defines it. */
export interface ProgramSpec {
  /** The function's name. */
  readonly name: string;
  /** The section's name as written, without a leading `?`. */
  readonly section: string;
  /** The kernel's name of the type; `"unspec"` when the section tells nothing. */
  type: ProgramTypeName;
  /** The kernel's name of the expected attach type; undefined is 0 without a meaning. */
  expectedAttachType?: AttachTypeName | undefined;
  /** BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS … */
  flags: number;
  /** How it attaches, parsed once from the section's name. */
  attach: AttachSpec;
  /** Whether it is loaded with the object. */
  autoload: boolean;
  /** Whether attach() attaches it. */
  autoattach: boolean;
  /** Eight bytes each, little-endian, before any relocation. */
  readonly instructions: Uint8Array<ArrayBuffer>;
  /** Bytes from the start of its section. */
  readonly sectionOffset: number;
  /** An attach target set by the user for freplace, fentry on BPF … */
  attachTarget?: { readonly programFd?: number | undefined; readonly function: string } | undefined;
  /** Network device of a device-bound program. */
  ifindex?: number | undefined;
  /** Verifier log level: 0 none. */
  logLevel?: number | undefined;
}

/** The type of a kconfig extern. */
export interface KconfigType {
  /** `tristate` is an `enum libbpf_tristate`, `text` an array of char. */
  readonly kind: "bool" | "char" | "int" | "tristate" | "text";
  /** Whether an `int` or a `char` is signed. */
  readonly signed: boolean;
}

/** An extern that is resolved at load. */
export interface ExternSpec {
  /** The name in the object. */
  readonly name: string;
  /** Which section of BTF it is in, and whether BTF gives a type. */
  readonly kind: "kconfig" | "ksym-typed" | "ksym-typeless" | "kfunc";
  /** Weak: may stay unresolved. */
  readonly weak: boolean;
  /** The id of its type in the object's BTF (`var`'s type, or the func_proto of a kfunc); 0 for none. */
  readonly typeId: number;
  /** The id of the `var` or `func` itself. */
  readonly btfId: number;
  /** The name that the kernel is asked for: without a `___flavor`. */
  readonly essentialName: string;
  /** The place in the object's list of externs: what poisoned code says. */
  readonly index: number;
  /** kconfig: how a value of the configuration is written. */
  readonly kconfig?: KconfigType | undefined;
  /** kconfig: bytes within the `.kconfig` map. */
  readonly offset: number;
  /** kconfig: bytes. */
  readonly size: number;
}

/** A global variable, settable before load. */
export interface VariableSpec {
  /** The name. */
  readonly name: string;
  /** The map that holds it. */
  readonly map: MapSpec;
  /** Bytes from the start of the map's value. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** The id of its type in the object's BTF; 0 without BTF. */
  readonly typeId: number;
  /** Whether programs cannot write it (rodata, kconfig). */
  readonly constant: boolean;
  /** static, global … */
  readonly linkage: "static" | "global" | "extern";
  /** The value as JS sees it, by BTF. */
  get(): unknown;
  /** Sets the initial value; throws an {@linkcode ObjectError} that names the field when the shape is wrong. */
  set(value: unknown): void;
  /** The bytes, a view: writing them writes the variable. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Things with names, in order. `get` throws a typed error that lists the nearest names. */
export interface Named<T> extends Iterable<T> {
  /** How many there are. */
  readonly size: number;
  /** By name; throws an {@linkcode ObjectError} with near names. */
  get(name: string): T;
  /** By name, or undefined. */
  find(name: string): T | undefined;
  /** Whether there is one of the name. */
  has(name: string): boolean;
  /** All names in order. */
  names(): string[];
}

/** What an instruction of an object refers to: see `relocations` of an object's spec. */
export type RelocationKind =
  | "map"
  | "data"
  | "extern"
  | "extern-call"
  | "call"
  | "address"
  | "jumptable";

/** What an instruction refers to that only a load can resolve. */
export type Reference =
  | { readonly kind: "map"; readonly instruction: number; readonly map: string }
  | {
    readonly kind: "map-value";
    readonly instruction: number;
    readonly map: string;
    readonly offset: number;
  }
  | { readonly kind: "kfunc"; readonly instruction: number; readonly extern: string }
  | { readonly kind: "ksym"; readonly instruction: number; readonly extern: string }
  | {
    readonly kind: "jumptable";
    readonly instruction: number;
    /** Bytes from the start of `.jumptables`: tells tables apart. */
    readonly symbolOffset: number;
    /** Bytes. */
    readonly size: number;
    /** The instructions that the table leads to, from the start of the linked program. */
    readonly targets: readonly number[];
  };

/** A program with its subprograms, CO-RE applied, ready but for descriptors and addresses. */
export interface RelocatedProgram {
  /** The program. */
  readonly program: ProgramSpec;
  /** Eight bytes each, little-endian. */
  readonly instructions: Uint8Array<ArrayBuffer>;
  /** To be resolved at load; `instruction` indexes `instructions`. */
  readonly references: readonly Reference[];
  /** func_info in the kernel's form, offsets in instructions; absent without .BTF.ext. */
  readonly funcInfo?:
    | { readonly recordSize: number; readonly records: Uint8Array<ArrayBuffer> }
    | undefined;
  /** line_info in the kernel's form. */
  readonly lineInfo?:
    | { readonly recordSize: number; readonly records: Uint8Array<ArrayBuffer> }
    | undefined;
  /** The subprograms appended, with their first instruction. */
  readonly subprograms: readonly { readonly name: string; readonly instruction: number }[];
  /** What CO-RE decided for each relocated instruction, in order. */
  readonly core: readonly { readonly instruction: number; readonly decision: CoreDecision }[];
}
