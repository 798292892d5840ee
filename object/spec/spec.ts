/**
 * Specs: the contents of a compiled BPF object as plain data.
 *
 * A spec is parsed from bytes without any system call, is equal on every machine, and can be edited before
 * it is loaded.
 *
 * @module
 */

import type { CoreDecision } from "../../btf/core/mod.ts";
import type { AttachTypeName, MapTypeName, ProgramTypeName } from "../../uapi/enums.ts";
import type { AttachSpec } from "../section/attach_spec.ts";

/** Origin of a map in an object. */
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

/** A static slot of a map's `values`: an inner map or, in a prog array, a program. */
export interface MapSlot {
  /** Index of the slot. */
  readonly index: number;
  /** Name of the map or program. */
  readonly name: string;
}

/** The struct of a struct_ops map: a kernel struct whose function pointers are programs. */
export interface StructOpsSpec {
  /** Name of the struct (`tcp_congestion_ops`), with its `___flavor` if it has one. */
  readonly typeName: string;
  /** Type id of the struct in the object's BTF. */
  readonly typeId: number;
  /** Returns the names of all members, in the order of the object's BTF. */
  members(): string[];
  /**
   * Returns the name of the program of a function pointer; undefined for none.
   *
   * @throws {ObjectError} EINVAL when the member does not exist or is not a function pointer.
   */
  program(member: string): string | undefined;
  /**
   * Sets the program of a function pointer by name; undefined makes the pointer null.
   *
   * @throws {ObjectError} EINVAL when the member does not exist or is not a function pointer.
   */
  setProgram(member: string, program: string | undefined): void;
  /** Returns all function pointers that have a program, with the program's name. */
  programs(): readonly { readonly member: string; readonly program: string }[];
  /**
   * Returns the value of a data member, decoded by BTF.
   *
   * @throws {ObjectError} EINVAL when the member does not exist, is a function pointer or a bitfield.
   */
  get(member: string): unknown;
  /**
   * Sets a data member.
   *
   * @throws {ObjectError} EINVAL when the member does not exist, is a function pointer or a bitfield, or the
   * value does not fit.
   */
  set(member: string, value: unknown): void;
}

/** A map as the object defines it. */
export interface MapSpec {
  /** Name in this API: the variable's, or the section's (`.rodata`, `.data.custom` …). */
  readonly name: string;
  /** Name in the kernel, by libbpf's rule; at most 15 characters. */
  kernelName: string;
  /** Origin of the map. */
  readonly origin: MapOrigin;
  /** ELF section that it comes from. */
  readonly section: string;
  /** Kernel name of the map type, or its number when the name is not known. */
  type: MapTypeName | number;
  /** Bytes. */
  keySize: number;
  /** Bytes. */
  valueSize: number;
  /**
   * max_entries as in the object. 0 in a perf_event_array means the number of possible CPUs; sizes of ring
   * buffers (in bytes) are rounded up at load.
   */
  maxEntries: number;
  /** Map flags (BPF_F_…). */
  flags: number;
  /** NUMA node; used with BPF_F_NUMA_NODE. */
  numaNode: number;
  /** map_extra, whose meaning depends on the type. */
  mapExtra: bigint;
  /** `by-name` pins the map at `pinRoot/name`. */
  pinning: "none" | "by-name";
  /** Path to pin the map at; overrides `pinning`. */
  pinPath?: string | undefined;
  /** Type id of the key in the object's BTF; 0 for none. */
  keyTypeId: number;
  /** Type id of the value in the object's BTF; 0 for none. For data sections, the datasec's id. */
  valueTypeId: number;
  /** Template of inner maps. */
  readonly inner?: MapSpec | undefined;
  /** Static slots. */
  readonly slots: readonly MapSlot[];
  /**
   * Initial bytes of a data section (edited through variables), of an arena's globals or of a struct_ops
   * value; undefined for all other maps. Allocated at first use, so that a large `.bss` takes no memory before.
   */
  contents: Uint8Array<ArrayBuffer> | undefined;
  /** Whether the contents were never allocated and are all zeroes, so that nothing needs to be written. */
  readonly zeroed: boolean;
  /** Index in the object's list of maps, which poisoned code contains. */
  readonly index: number;
  /** The struct of a struct_ops map. */
  readonly structOps?: StructOpsSpec | undefined;
  /** Whether the map is created at load. */
  autocreate: boolean;
  /** struct_ops: whether attach() of the object attaches it. */
  autoattach: boolean;
}

/** A program as the object defines it. */
export interface ProgramSpec {
  /** Name of the function. */
  readonly name: string;
  /** Section name without a leading `?`. */
  readonly section: string;
  /** Kernel name of the program type; `"unspec"` for an unknown section. */
  type: ProgramTypeName;
  /** Kernel name of the expected attach type; undefined for none (0 in BPF_PROG_LOAD). */
  expectedAttachType?: AttachTypeName | undefined;
  /** Load flags: BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS … */
  flags: number;
  /** How and where it attaches, parsed from the section's name. */
  attach: AttachSpec;
  /** Whether the program is loaded with the object. */
  autoload: boolean;
  /** Whether attach() of the object attaches it. */
  autoattach: boolean;
  /** Instructions of eight bytes each, little-endian, before relocation. */
  readonly instructions: Uint8Array<ArrayBuffer>;
  /** Offset in its section in bytes. */
  readonly sectionOffset: number;
  /** Function of another program to attach to (freplace, fentry of a BPF program …); overrides the section. */
  attachTarget?: { readonly programFd?: number | undefined; readonly function: string } | undefined;
  /** Index of the network device that the program is bound to. */
  ifindex?: number | undefined;
  /** Verifier log level (BPF_LOG_LEVEL…); 0 for no log. */
  logLevel?: number | undefined;
}

/** Encoding of a kconfig extern. */
export interface KconfigType {
  /** `tristate` is `enum libbpf_tristate`, `text` an array of char. */
  readonly kind: "bool" | "char" | "int" | "tristate" | "text";
  /** Whether an `int` or a `char` is signed. */
  readonly signed: boolean;
}

/** An extern that is resolved at load. */
export interface ExternSpec {
  /** Name in the object. */
  readonly name: string;
  /** Kind, by its BTF data section and whether BTF gives a type. */
  readonly kind: "kconfig" | "ksym-typed" | "ksym-typeless" | "kfunc";
  /** Whether it is weak and may stay unresolved. */
  readonly weak: boolean;
  /** Type id in the object's BTF (a variable's type, or a kfunc's func_proto); 0 for none. */
  readonly typeId: number;
  /** Type id of the `var` or `func`. */
  readonly btfId: number;
  /** Name to look up in the kernel: without a `___flavor`. */
  readonly essentialName: string;
  /** Index in the object's list of externs, which poisoned code contains. */
  readonly index: number;
  /** kconfig: encoding of the value. */
  readonly kconfig?: KconfigType | undefined;
  /** kconfig: offset in the `.kconfig` map's value in bytes. */
  readonly offset: number;
  /** kconfig: size in bytes. */
  readonly size: number;
}

/** A global variable, settable before load. */
export interface VariableSpec {
  /** Name of the variable. */
  readonly name: string;
  /** Map that contains it. */
  readonly map: MapSpec;
  /** Offset in the map's value in bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** Type id in the object's BTF; 0 without BTF. */
  readonly typeId: number;
  /** Whether programs cannot write it (`.rodata`, kconfig). */
  readonly constant: boolean;
  /** Linkage in BTF, or from its ELF symbol without BTF. */
  readonly linkage: "static" | "global" | "extern";
  /**
   * Returns the value, decoded by BTF.
   *
   * @throws {ObjectError} EINVAL when the object has no BTF for it.
   */
  get(): unknown;
  /**
   * Sets the initial value. Without BTF, takes a Uint8Array of the variable's size.
   *
   * @throws {ObjectError} EINVAL when the value does not fit the type (the subject names the field), and for
   * kconfig variables, which are set at load.
   */
  set(value: unknown): void;
  /** View of the bytes; writing to it sets the variable. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** An ordered collection with lookup by name. */
export interface Named<T> extends Iterable<T> {
  /** Number of items. */
  readonly size: number;
  /**
   * Returns an item by name.
   *
   * @throws {ObjectError} ENOENT with the nearest names.
   */
  get(name: string): T;
  /** Returns an item by name, or undefined. */
  find(name: string): T | undefined;
  /** Returns whether there is an item of the name. */
  has(name: string): boolean;
  /** Returns all names in order. */
  names(): string[];
}

/** Kind of a relocation of an instruction; see `ObjectSpec.relocations`. */
export type RelocationKind =
  | "map"
  | "data"
  | "extern"
  | "extern-call"
  | "call"
  | "address"
  | "jumptable";

/** A reference of an instruction that is resolved at load. */
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
    /** Offset in `.jumptables` in bytes, which identifies the table. */
    readonly symbolOffset: number;
    /** Bytes. */
    readonly size: number;
    /** Targets of the table, as instruction indices in the relocated program. */
    readonly targets: readonly number[];
  };

/** A program with its subprograms and CO-RE relocations applied; descriptors and addresses are set at load. */
export interface RelocatedProgram {
  /** The program. */
  readonly program: ProgramSpec;
  /** Instructions of eight bytes each, little-endian. */
  readonly instructions: Uint8Array<ArrayBuffer>;
  /** References to resolve at load; `instruction` indexes `instructions`. */
  readonly references: readonly Reference[];
  /** func_info records for BPF_PROG_LOAD, with offsets in instructions; undefined without `.BTF.ext`. */
  readonly funcInfo?:
    | { readonly recordSize: number; readonly records: Uint8Array<ArrayBuffer> }
    | undefined;
  /** line_info records for BPF_PROG_LOAD, with offsets in instructions; undefined without `.BTF.ext`. */
  readonly lineInfo?:
    | { readonly recordSize: number; readonly records: Uint8Array<ArrayBuffer> }
    | undefined;
  /** Appended subprograms, with the index of their first instruction. */
  readonly subprograms: readonly { readonly name: string; readonly instruction: number }[];
  /** CO-RE decision of each relocated instruction, in order. */
  readonly core: readonly { readonly instruction: number; readonly decision: CoreDecision }[];
}
