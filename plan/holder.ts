/**
 * What the holder of a delegation can do with it: which memory it can read, and where it can
 * attach.
 *
 * A delegation lists commands and types. It limits neither what a program of an allowed type reads
 * nor where its descriptor is used. Both were measured on Linux 6.12, 6.18 and 7.2.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { JsonValue } from "../errors/skep_error.ts";
import { AttachType, Command, ProgramType, type ProgramTypeName } from "../uapi/enums.ts";
import type { DelegationMasks } from "./delegation.ts";
import { programAttaches } from "./program_types.ts";
import { type AttachPlace, BPF_CAPABILITIES, type BpfCapability } from "./bpf_capability.ts";

/** Memory that a holder can read: only its maps (`own`), or all of the host kernel's (`host`). */
export type ReadableMemory = "own" | "host";

/**
 * A way for a program to read kernel memory.
 *
 * - `helpers`: bpf_probe_read_kernel() and similar helpers, in nearly every program type, with
 *   CAP_PERFMON.
 * - `rdonly-cast`: bpf_rdonly_cast(address, 0) and a load, with CAP_BPF alone.
 */
export type ReadWay = "helpers" | "rdonly-cast";

/** What a holder can read. */
export interface HolderReads {
  /** The memory it can read. */
  readonly memory: ReadableMemory;
  /** The ways that are open, or may be open where kernel BTF is missing. */
  readonly ways: readonly ReadWay[];
  /** The same as one sentence. */
  readonly text: string;
}

/** Where a holder can attach programs of some types. */
export interface HolderAttaches {
  /** The kind of target. */
  readonly place: AttachPlace;
  /** The delegated program types that attach there. */
  readonly types: readonly ProgramTypeName[];
  /** The limit while it uses descriptors in its own namespaces. */
  readonly inside: string;
  /**
   * The limit once a descriptor has left them, by fork, through a second thread, or over a socket.
   */
  readonly outside: string;
}

/** What the holder of a delegation can do. */
export interface HolderAccess {
  /** What it can read. */
  readonly reads: HolderReads;
  /** Where it can attach, the narrowest kind first; empty without `prog_load`. */
  readonly attaches: readonly HolderAttaches[];
}

/** Facts that narrow what a holder can do. */
export interface HolderFacts {
  /**
   * The capabilities that *every* process of the token's user namespace is limited to. Only the
   * creator of the namespace can enforce the limit, as `skep sandbox` does.
   *
   * @default {["bpf", "net_admin", "perfmon", "sys_admin"]} which root of the namespace has.
   */
  readonly capabilities?: readonly BpfCapability[] | undefined;
  /** The kernel's BTF, which shows whether bpf_rdonly_cast() accepts void. */
  readonly kernelBtf?: Btf | undefined;
}

/**
 * Returns whether bpf_rdonly_cast() accepts type 0 (void), with which a program without CAP_PERFMON
 * can read any kernel address (Linux 6.17, "bpf: allow void* cast using bpf_rdonly_cast()").
 * Undefined when unknown.
 *
 * The function's prototype did not change, so the check is for BPF_PROG_STREAM_READ_BY_FD, a
 * command of the same version.
 */
function rdonlyCastTakesVoid(kernelBtf: Btf | undefined): boolean | undefined {
  if (kernelBtf === undefined) return undefined;
  if (kernelBtf.find("bpf_rdonly_cast", ["func"]) === undefined) return false;
  const id = kernelBtf.find("bpf_cmd", ["enum"]);
  if (id === undefined) return undefined;
  const type = kernelBtf.type(id);
  return type.kind === "enum" &&
    type.values.some(({ name }) => name === "BPF_PROG_STREAM_READ_BY_FD");
}

/**
 * Returns what the holder of a delegation can read and where it can attach.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Delegation, holderAccess } from "@skep/skep/plan";
 *
 * const maps = Delegation.of({ commands: ["map_create"], maps: ["hash"] });
 * assertEquals(holderAccess(maps).reads.memory, "own");
 *
 * const filters = Delegation.of({ commands: ["prog_load"], programs: ["socket_filter"] });
 * assertEquals(holderAccess(filters).reads.memory, "host");
 * assertEquals(holderAccess(filters).attaches.map(({ place }) => place), ["sockets"]);
 * ```
 */
export function holderAccess(delegation: DelegationMasks, facts: HolderFacts = {}): HolderAccess {
  if (!has(delegation.commands, Command.prog_load)) {
    return { reads: OWN_MEMORY, attaches: [] };
  }
  return { reads: reads(facts), attaches: attaches(delegation) };
}

const OWN_MEMORY: HolderReads = {
  memory: "own",
  ways: [],
  text: "without prog_load its holder cannot load programs, and reads its own maps only",
};

function reads({ capabilities = BPF_CAPABILITIES, kernelBtf }: HolderFacts): HolderReads {
  const helpers = capabilities.includes("perfmon") || capabilities.includes("sys_admin");
  const takesVoid = rdonlyCastTakesVoid(kernelBtf);
  const ways: ReadWay[] = [
    ...(helpers ? ["helpers" as const] : []),
    ...(takesVoid === false ? [] : ["rdonly-cast" as const]),
  ];
  if (ways.length === 0) {
    return {
      memory: "own",
      ways,
      text: "prog_load without CAP_PERFMON: on this kernel its holder's programs cannot read the " +
        "kernel's memory",
    };
  }
  const by = helpers
    ? "a program of nearly any type may call bpf_probe_read_kernel(), since CAP_PERFMON is checked in " +
      "the token's user namespace, whose root has it"
    : takesVoid === undefined
    ? "even without CAP_PERFMON, bpf_rdonly_cast() gives it any address from Linux 6.17 on"
    : "even without CAP_PERFMON, bpf_rdonly_cast() gives it any address on this kernel";
  return {
    memory: "host",
    ways,
    text: `prog_load is trust: its holder can read all memory of the host's kernel (${by})`,
  };
}

const PLACES: { readonly [place in AttachPlace]: Omit<HolderAttaches, "place" | "types"> } = {
  none: {
    inside: "through BPF_PROG_RUN only: they attach to nothing",
    outside: "through BPF_PROG_RUN only: they attach to nothing",
  },
  sockets: {
    inside: "to sockets and maps whose descriptors it has",
    outside: "to sockets and maps whose descriptors it has",
  },
  "network-namespaces": {
    inside: "in the network namespace of its process",
    outside: "in the network namespace of every process that has the descriptor, owned or not",
  },
  cgroups: {
    inside: "to every cgroup whose directory it can open, including the root where it is mounted",
    outside: "to every cgroup whose directory any process with the descriptor can open",
  },
  host: {
    inside: "on the whole host: these programs see the events of every process",
    outside: "on the whole host: these programs see the events of every process",
  },
};

function attaches(delegation: DelegationMasks): HolderAttaches[] {
  const byPlace = new Map<AttachPlace, ProgramTypeName[]>();
  for (const [type, number] of Object.entries(ProgramType)) {
    if (!has(delegation.programs, number)) continue;
    const name = type as ProgramTypeName;
    // The only attach type that narrows where programs of its type attach.
    const narrower = name === "lsm" && !has(delegation.attachments, AttachType.lsm_mac);
    const place = programAttaches(name, narrower ? "lsm_cgroup" : undefined);
    byPlace.set(place, [...byPlace.get(place) ?? [], name]);
  }
  const known = Object.values(ProgramType).reduce(
    (mask, number) => mask | 1n << BigInt(number),
    0n,
  );
  if ((delegation.programs & ~known) !== 0n) byPlace.set("host", byPlace.get("host") ?? []);
  return (Object.keys(PLACES) as AttachPlace[])
    .filter((place) => byPlace.has(place))
    .map((place) => ({ place, types: byPlace.get(place) ?? [], ...PLACES[place] }));
}

function has(mask: bigint, number: number): boolean {
  return (mask >> BigInt(number) & 1n) === 1n;
}

/** Formats what a holder can do as lines: what it reads, then where it attaches. */
export function holderText({ reads, attaches }: HolderAccess): string[] {
  return [
    `reads: ${reads.text}`,
    ...attaches.map(({ place, types, inside, outside }) =>
      `attaches (${types.length === 0 ? "unknown types" : types.join(", ")}): ${inside}` +
      (outside === inside || place === "host"
        ? ""
        : `; once a descriptor has left its namespaces: ${outside}`)
    ),
  ];
}

/** Converts to plain JSON. */
export function holderJson({ reads, attaches }: HolderAccess): JsonValue {
  return {
    reads: { ...reads, ways: [...reads.ways] },
    attaches: attaches.map((one) => ({ ...one, types: [...one.types] })),
  };
}
