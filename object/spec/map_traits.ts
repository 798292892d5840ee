/**
 * Properties of each map type and of each origin of a map.
 *
 * Sources: `map_create()` and the `map_alloc_check` of each type in the kernel's `kernel/bpf/`, and libbpf's
 * `bpf_object__create_map()` for the types that are created without BTF.
 *
 * @module
 */

import { type MapTypeName, mapTypeName } from "../../uapi/enums.ts";
import type { MapOrigin } from "./spec.ts";

/** Kind of each map type, which selects the class of a live map. */
export interface MapKinds {
  /** Invalid; the kernel refuses it. */
  readonly unspec: "keyed";
  /** Elements by key. */
  readonly hash: "keyed";
  /** Elements by index; memory-mappable with BPF_F_MMAPABLE. */
  readonly array: "array";
  /** Programs by index. */
  readonly prog_array: "descriptors";
  /** Perf events by CPU, which `bpf_perf_event_output()` writes to. */
  readonly perf_event_array: "perf";
  /** Elements with a value per CPU. */
  readonly percpu_hash: "per-cpu";
  /** Elements with a value per CPU. */
  readonly percpu_array: "per-cpu";
  /** Stack traces by id. */
  readonly stack_trace: "keyed";
  /** Cgroups by index. */
  readonly cgroup_array: "descriptors";
  /** Elements by key. */
  readonly lru_hash: "keyed";
  /** Elements with a value per CPU. */
  readonly lru_percpu_hash: "per-cpu";
  /** Elements by longest matching prefix. */
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
  /** Deprecated name of `cgroup_storage`. */
  readonly cgroup_storage_deprecated: "keyed";
  /** A value per cgroup and attach type. */
  readonly cgroup_storage: "keyed";
  /** Sockets by index. */
  readonly reuseport_sockarray: "descriptors";
  /** Deprecated name of `percpu_cgroup_storage`. */
  readonly percpu_cgroup_storage_deprecated: "per-cpu";
  /** A value per CPU, cgroup and attach type. */
  readonly percpu_cgroup_storage: "per-cpu";
  /** First in, first out. */
  readonly queue: "queue";
  /** Last in, first out. */
  readonly stack: "queue";
  /** A value per socket. */
  readonly sk_storage: "storage";
  /** Interfaces by key. */
  readonly devmap_hash: "keyed";
  /** One struct of function pointers. */
  readonly struct_ops: "keyed";
  /** Records from programs to user space. */
  readonly ringbuf: "ring";
  /** A value per inode. */
  readonly inode_storage: "storage";
  /** A value per task. */
  readonly task_storage: "storage";
  /** A set without deletion, whose lookups may be false positives. */
  readonly bloom_filter: "bloom";
  /** Records from user space to programs. */
  readonly user_ringbuf: "user-ring";
  /** A value per cgroup. */
  readonly cgrp_storage: "storage";
  /** Memory shared between programs and user space. */
  readonly arena: "arena";
  /** Jump targets by index. */
  readonly insn_array: "keyed";
  /** Elements by key. */
  readonly rhash: "keyed";
}

/** Kind of map: selects the class of a live map. */
export type MapKind = MapKinds[MapTypeName];

/**
 * Map types of a kind.
 *
 * @typeParam Kind The kind.
 */
export type MapTypesOf<Kind extends MapKind> = {
  [T in MapTypeName]: MapKinds[T] extends Kind ? T : never;
}[MapTypeName];

/**
 * Form of keys: none; a 32-bit index; the descriptor of a process, socket, file or cgroup; an address
 * prefix; a cgroup with an attach type; or any, given by the map's BTF or key size.
 */
export type MapKeyShape = "none" | "index" | "descriptor" | "prefix" | "cgroup" | "any";

/**
 * Form of values: none; descriptors, which are read back as ids; `struct bpf_devmap_val`;
 * `struct bpf_cpumap_val`; stack frames; a kernel struct; or any, given by the map's BTF or value size.
 */
export type MapValueShape =
  | "none"
  | "descriptor"
  | "device"
  | "cpu"
  | "stack"
  | "kernel-struct"
  | "any";

/** Properties of a map type. */
export interface MapTraits {
  /** Kind of the type. */
  readonly kind: MapKind;
  /** Form of its keys. */
  readonly key: MapKeyShape;
  /** Form of its values; for per-CPU types, of one CPU's value. */
  readonly value: MapValueShape;
  /** Whether BPF_MAP_CREATE gets BTF type ids of key and value (libbpf's list; the kernel refuses other types). */
  readonly btf: boolean;
  /** Whether the map is bound to the first program that uses it, and incompatible programs are refused. */
  readonly bindsProgram?: boolean | undefined;
  /** Whether creating one also requires CAP_NET_ADMIN. */
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

/** Properties of each map type. A new map type does not compile without an entry. */
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

/** Returns the properties of a map type. An unknown type is treated like a hash. */
export function mapTypeTraits(type: MapTypeName | number): MapTraits {
  const name = typeof type === "number" ? mapTypeName(type) : type;
  return mapTraits[name ?? "unspec"];
}

/** Properties of the maps of an origin. */
export interface OriginTraits {
  /** Whether the source declares it as a map. Other maps are created for the object's data and code. */
  readonly declared: boolean;
  /** Whether it is an array of one element with the global variables of a section. */
  readonly section: boolean;
  /** Whether its variables are constants: programs cannot write it, and it is frozen once filled. */
  readonly constant: boolean;
  /** BTF data section of its variables: the ELF section's name or a fixed one; undefined for none. */
  readonly datasec: "section" | ".addr_space.1" | undefined;
  /** When it is created: with the other maps, or with the program that uses it. */
  readonly created: "with-maps" | "with-program";
  /** Contents that it is filled with at load. */
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

/** Properties of each origin. A new origin does not compile without an entry. */
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
