/**
 * What can be done with which type of map, and what to do instead.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { MapType, mapTypeName } from "../../uapi/enums.ts";

/** Types that hold descriptors of other things and give back ids. */
export const DESCRIPTORS: ReadonlySet<number> = new Set<number>([
  MapType.prog_array,
  MapType.perf_event_array,
  MapType.cgroup_array,
  MapType.array_of_maps,
  MapType.hash_of_maps,
  MapType.xskmap,
  MapType.sockmap,
  MapType.sockhash,
  MapType.reuseport_sockarray,
]);

/** Types whose keys are descriptors: of a process (pidfd), a socket, a file or a cgroup. */
export const STORAGE: ReadonlySet<number> = new Set<number>([
  MapType.task_storage,
  MapType.sk_storage,
  MapType.inode_storage,
  MapType.cgrp_storage,
]);

/** What to do with a type of map that has no keys. */
const KEYLESS: ReadonlyMap<number, string> = new Map<number, string>([
  [MapType.queue, "use push(), pop() and peek()"],
  [MapType.stack, "use push(), pop() and peek()"],
  [MapType.bloom_filter, "use push() and mayHave()"],
  [MapType.ringbuf, "read it with records()"],
  [MapType.user_ringbuf, "write it with a UserRingBuffer"],
  [MapType.arena, "use its memory"],
]);

const QUEUES = new Set<number>([MapType.queue, MapType.stack]);
const FILTERS = new Set<number>([MapType.bloom_filter]);
const PUSHED = new Set<number>([...QUEUES, ...FILTERS]);

/** Whether a type of map has no keys. */
export function isKeyless(type: number): boolean {
  return KEYLESS.has(type);
}

/** The error of a call with a key on a map that has none. */
export function hasNoKeys(type: number, name: string): SkepError {
  return misuse("look into", name, `a ${nameOf(type)} has no keys`, KEYLESS.get(type));
}

/** Refuses what is for queues and stacks, or for what is pushed to, on any other map. */
export function checkUse(type: number, name: string, call: "push" | "pop" | "mayHave"): void {
  const types = call === "push" ? PUSHED : call === "pop" ? QUEUES : FILTERS;
  if (types.has(type)) return;
  const doing = call === "mayHave" ? "ask" : call;
  const which = [...types].map(nameOf).join(", ");
  throw misuse(
    doing,
    name,
    `it is a ${nameOf(type)}, and this is for ${which}`,
    KEYLESS.get(type) ?? "use get(), set() and delete()",
  );
}

/** The error of a type of map whose elements the kernel does not list; undefined when it does. */
export function cannotList(type: number, name: string): SkepError | undefined {
  if (KEYLESS.has(type)) return hasNoKeys(type, name);
  if (STORAGE.has(type)) {
    return misuse(
      "list the elements of",
      name,
      `the kernel does not list those of a ${nameOf(type)}`,
      "ask for single ones, or walk it with an iterator program",
    );
  }
  return undefined;
}

/** A refused read of a value, with the reason where it is the map's type. */
export function unreadable(error: KernelError, type: number): KernelError {
  const { errno, subject, command } = error;
  const sockets = type === MapType.sockmap || type === MapType.sockhash ||
    type === MapType.reuseport_sockarray;
  const why = sockets && errno === "ENOSPC"
    ? "the kernel gives sockets back as cookies of eight bytes, and its values have four"
    : errno === "EOPNOTSUPP" || errno === "ENOTSUPP"
    ? `what a ${nameOf(type)} holds cannot be read back`
    : undefined;
  if (why === undefined) return error;
  return new KernelError({
    doing: "read the values of map",
    subject,
    command,
    number: error.number,
    why,
    ...(sockets ? { fix: "give the map values of eight bytes" } : {}),
  }, { cause: error });
}

/** A refused BPF_F_CPU: a kernel that does not know it answers EINVAL, and has nothing in its place. */
export function withoutCpuFlag(error: KernelError): KernelError {
  const { errno, subject, command, number } = error;
  if (errno !== "EINVAL") return error;
  return new KernelError({
    doing: "set one CPU's value in map",
    subject,
    command,
    number,
    why: "this kernel does not know BPF_F_CPU, or not for this type of map",
    fix: "set the values of all CPUs, or write it from a program",
  }, { cause: error });
}

/** The kernel's name of a map type, or its number. */
function nameOf(type: number): string {
  return mapTypeName(type) ?? `map of type ${type}`;
}

function misuse(doing: string, subject: string, why: string, fix?: string): SkepError {
  return new SkepError({
    doing: `${doing} map`,
    subject,
    errno: "EINVAL",
    stage: "usage",
    why,
    ...(fix !== undefined ? { fix } : {}),
  });
}
