/**
 * What is known of each map type and of each origin of a map, before any kernel is asked.
 *
 * Facts of Linux: `map_create()` and the `map_alloc_check` of each type in `kernel/bpf/`, and libbpf's
 * `bpf_object__create_map()` for the types that are created without BTF.
 *
 * @module
 */

import { type MapTypeName, mapTypeName } from "../../uapi/enums.ts";
import type { MapOrigin } from "./spec.ts";

/** How a live map of each type is used: which class it gets. */
export interface MapKinds {
  /** Refused by the kernel. */
  readonly unspec: "keyed";
  /** Elements by key. */
  readonly hash: "keyed";
  /** Elements by index; with BPF_F_MMAPABLE their memory can be mapped. */
  readonly array: "array";
  /** Programs by index. */
  readonly prog_array: "descriptors";
  /** Perf events by CPU: what `bpf_perf_event_output()` writes to. */
  readonly perf_event_array: "perf";
  /** A value for each CPU. */
  readonly percpu_hash: "per-cpu";
  /** A value for each CPU. */
  readonly percpu_array: "per-cpu";
  /** Stacks by id. */
  readonly stack_trace: "keyed";
  /** Cgroups by index. */
  readonly cgroup_array: "descriptors";
  /** Elements by key. */
  readonly lru_hash: "keyed";
  /** A value for each CPU. */
  readonly lru_percpu_hash: "per-cpu";
  /** Elements by prefix. */
  readonly lpm_trie: "keyed";
  /** Maps by index. */
  readonly array_of_maps: "maps";
  /** Maps by key. */
  readonly hash_of_maps: "maps";
  /** Interfaces by index. */
  readonly devmap: "keyed";
  /** Sockets by index. */
  readonly sockmap: "descriptors";
  /** CPUs by number. */
  readonly cpumap: "keyed";
  /** AF_XDP sockets by queue. */
  readonly xskmap: "descriptors";
  /** Sockets by key. */
  readonly sockhash: "descriptors";
  /** The older name of `cgroup_storage`. */
  readonly cgroup_storage_deprecated: "keyed";
  /** A value for each cgroup and attach type. */
  readonly cgroup_storage: "keyed";
  /** Sockets by index. */
  readonly reuseport_sockarray: "descriptors";
  /** The older name of `percpu_cgroup_storage`. */
  readonly percpu_cgroup_storage_deprecated: "per-cpu";
  /** A value for each CPU of each cgroup and attach type. */
  readonly percpu_cgroup_storage: "per-cpu";
  /** First in, first out. */
  readonly queue: "queue";
  /** Last in, first out. */
  readonly stack: "queue";
  /** A value for each socket. */
  readonly sk_storage: "storage";
  /** Interfaces by key. */
  readonly devmap_hash: "keyed";
  /** One struct of function pointers. */
  readonly struct_ops: "keyed";
  /** Records from programs. */
  readonly ringbuf: "ring";
  /** A value for each inode. */
  readonly inode_storage: "storage";
  /** A value for each task. */
  readonly task_storage: "storage";
  /** A set that forgets nothing and answers "maybe". */
  readonly bloom_filter: "bloom";
  /** Records to programs. */
  readonly user_ringbuf: "user-ring";
  /** A value for each cgroup. */
  readonly cgrp_storage: "storage";
  /** Memory that programs and this process share. */
  readonly arena: "arena";
  /** Jump targets by index. */
  readonly insn_array: "keyed";
  /** Elements by key. */
  readonly rhash: "keyed";
}

/** How a live map is used. */
export type MapKind = MapKinds[MapTypeName];

/**
 * The map types of a kind.
 *
 * @typeParam Kind The kind.
 */
export type MapTypesOf<Kind extends MapKind> = {
  [T in MapTypeName]: MapKinds[T] extends Kind ? T : never;
}[MapTypeName];

/**
 * What keys are: none; a number of four bytes; the descriptor of a process, socket, file or cgroup; an
 * address prefix; a cgroup with an attach type; or whatever the map's BTF or size says.
 */
export type MapKeyShape = "none" | "index" | "descriptor" | "prefix" | "cgroup" | "any";

/**
 * What values are: none; descriptors, of which the kernel gives ids back; `struct bpf_devmap_val`;
 * `struct bpf_cpumap_val`; the frames of a stack; a struct of the kernel; or whatever the map's BTF or size
 * says.
 */
export type MapValueShape =
  | "none"
  | "descriptor"
  | "device"
  | "cpu"
  | "stack"
  | "kernel-struct"
  | "any";

/** What is known of a map type. */
export interface MapTraits {
  /** How a live map of the type is used. */
  readonly kind: MapKind;
  /** What its keys are. */
  readonly key: MapKeyShape;
  /** What its values are; of a type with a value for each CPU, one CPU's. */
  readonly value: MapValueShape;
  /** Whether BPF_MAP_CREATE takes BTF ids of key and value (libbpf's list; the kernel refuses the others). */
  readonly btf: boolean;
  /** Whether the map remembers the first program that uses it, and refuses those that are not like it. */
  readonly bindsProgram?: boolean | undefined;
  /** Whether creating one needs CAP_NET_ADMIN too. */
  readonly netAdmin?: boolean | undefined;
}

const CGROUP_STORAGE = { key: "cgroup", value: "any", btf: true, bindsProgram: true } as const;
const DEVICES = {
  kind: "keyed",
  key: "index",
  value: "device",
  btf: false,
  bindsProgram: true,
  netAdmin: true,
} as const;
const STORAGE = { kind: "storage", key: "descriptor", value: "any", btf: true } as const;

/** What is known of each map type: adding a type makes the compiler ask for its line. */
export const mapTraits: {
  readonly [T in MapTypeName]: MapTraits & { readonly kind: MapKinds[T] };
} = {
  unspec: { kind: "keyed", key: "any", value: "any", btf: true },
  hash: { kind: "keyed", key: "any", value: "any", btf: true },
  array: { kind: "array", key: "index", value: "any", btf: true },
  prog_array: {
    kind: "descriptors",
    key: "index",
    value: "descriptor",
    btf: true,
    bindsProgram: true,
  },
  perf_event_array: { kind: "perf", key: "index", value: "descriptor", btf: false },
  percpu_hash: { kind: "per-cpu", key: "any", value: "any", btf: true },
  percpu_array: { kind: "per-cpu", key: "index", value: "any", btf: true },
  stack_trace: { kind: "keyed", key: "index", value: "stack", btf: false },
  cgroup_array: { kind: "descriptors", key: "index", value: "descriptor", btf: false },
  lru_hash: { kind: "keyed", key: "any", value: "any", btf: true },
  lru_percpu_hash: { kind: "per-cpu", key: "any", value: "any", btf: true },
  lpm_trie: { kind: "keyed", key: "prefix", value: "any", btf: true },
  array_of_maps: { kind: "maps", key: "index", value: "descriptor", btf: false },
  hash_of_maps: { kind: "maps", key: "any", value: "descriptor", btf: false },
  devmap: DEVICES,
  sockmap: {
    kind: "descriptors",
    key: "index",
    value: "descriptor",
    btf: false,
    netAdmin: true,
  },
  cpumap: { kind: "keyed", key: "index", value: "cpu", btf: false, bindsProgram: true },
  xskmap: { kind: "descriptors", key: "index", value: "descriptor", btf: false, netAdmin: true },
  sockhash: { kind: "descriptors", key: "any", value: "descriptor", btf: false, netAdmin: true },
  cgroup_storage_deprecated: { kind: "keyed", ...CGROUP_STORAGE },
  cgroup_storage: { kind: "keyed", ...CGROUP_STORAGE },
  reuseport_sockarray: { kind: "descriptors", key: "index", value: "descriptor", btf: true },
  percpu_cgroup_storage_deprecated: { kind: "per-cpu", ...CGROUP_STORAGE },
  percpu_cgroup_storage: { kind: "per-cpu", ...CGROUP_STORAGE },
  queue: { kind: "queue", key: "none", value: "any", btf: false },
  stack: { kind: "queue", key: "none", value: "any", btf: false },
  sk_storage: STORAGE,
  devmap_hash: DEVICES,
  struct_ops: {
    kind: "keyed",
    key: "index",
    value: "kernel-struct",
    btf: true,
    bindsProgram: true,
  },
  ringbuf: { kind: "ring", key: "none", value: "none", btf: true },
  inode_storage: STORAGE,
  task_storage: STORAGE,
  bloom_filter: { kind: "bloom", key: "none", value: "any", btf: true },
  user_ringbuf: { kind: "user-ring", key: "none", value: "none", btf: true },
  cgrp_storage: STORAGE,
  arena: { kind: "arena", key: "none", value: "none", btf: false },
  insn_array: { kind: "keyed", key: "index", value: "any", btf: true },
  rhash: { kind: "keyed", key: "any", value: "any", btf: true },
};

/** What is known of a map's type; a type that this version has no name for is taken for a hash. */
export function mapTypeTraits(type: MapTypeName | number): MapTraits {
  const name = typeof type === "number" ? mapTypeName(type) : type;
  return mapTraits[name ?? "unspec"];
}

/** What is known of the maps of an origin. */
export interface OriginTraits {
  /** Whether the object's source declares it as a map: the others are made for its data and code. */
  readonly declared: boolean;
  /** Whether it holds a section's global variables, in an array of one element. */
  readonly section: boolean;
  /** Whether its variables are constants: programs may not write it, and it is frozen when filled. */
  readonly constant: boolean;
  /** How BTF names the section of its variables; undefined where it has none in BTF. */
  readonly datasec: "section" | ".addr_space.1" | undefined;
  /** When it is created: with the other maps, or with the program whose code it is about. */
  readonly created: "with-maps" | "with-program";
  /** What it holds when its creation is over. */
  readonly contents: "none" | "section" | "kernel-configuration" | "arena-globals";
}

const DECLARED: OriginTraits = {
  declared: true,
  section: false,
  constant: false,
  datasec: undefined,
  created: "with-maps",
  contents: "none",
};
const DATA: OriginTraits = {
  declared: false,
  section: true,
  constant: false,
  datasec: "section",
  created: "with-maps",
  contents: "section",
};

/** What is known of each origin: adding an origin makes the compiler ask for its line. */
export const originTraits: { readonly [O in MapOrigin]: OriginTraits } = {
  maps: DECLARED,
  legacy: DECLARED,
  data: DATA,
  bss: DATA,
  rodata: { ...DATA, constant: true },
  kconfig: { ...DATA, constant: true, datasec: undefined, contents: "kernel-configuration" },
  struct_ops: { ...DECLARED, declared: false },
  arena: { ...DECLARED, datasec: ".addr_space.1", contents: "arena-globals" },
  jumptable: { ...DECLARED, declared: false, created: "with-program" },
  inner: { ...DECLARED, declared: false },
};
