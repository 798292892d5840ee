/**
 * What can be done with which type of map, and what to do instead.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { MapType, mapTypeName } from "../../uapi/enums.ts";
import { type MapKind, mapTraits, mapTypeTraits } from "../../object/spec/map_traits.ts";

const KEYS = "use get(), set() and delete()";

/** What to use instead of a key, by the way that a map is used. */
const INSTEAD: { readonly [K in MapKind]: string } = {
  keyed: KEYS,
  array: KEYS,
  "per-cpu": KEYS,
  descriptors: KEYS,
  maps: KEYS,
  perf: "use records()",
  storage: KEYS,
  queue: "use push(), pop() and peek()",
  bloom: "use push() and mayHave()",
  ring: "read it with records()",
  "user-ring": "write it with a UserRingBuffer",
  arena: "use its memory",
};

const CALLS: { readonly [call in "push" | "pop" | "mayHave"]: readonly MapKind[] } = {
  push: ["queue", "bloom"],
  pop: ["queue"],
  mayHave: ["bloom"],
};

/** The error of a call with a key on a map that has none. */
export function hasNoKeys(type: number, name: string): SkepError {
  return misuse(
    "look into",
    name,
    `a ${nameOf(type)} has no keys`,
    INSTEAD[mapTypeTraits(type).kind],
  );
}

/** Refuses what is for queues and stacks, or for what is pushed to, on any other map. */
export function checkUse(type: number, name: string, call: "push" | "pop" | "mayHave"): void {
  const { kind } = mapTypeTraits(type);
  if (CALLS[call].includes(kind)) return;
  const doing = call === "mayHave" ? "ask" : call;
  const which = Object.entries(mapTraits)
    .filter(([, traits]) => CALLS[call].includes(traits.kind)).map(([name]) => name).join(", ");
  throw misuse(
    doing,
    name,
    `it is a ${nameOf(type)}, and this is for ${which}`,
    INSTEAD[kind],
  );
}

/** The error of a type of map whose elements the kernel does not list; undefined when it does. */
export function cannotList(type: number, name: string): SkepError | undefined {
  const { kind, key } = mapTypeTraits(type);
  if (key === "none") return hasNoKeys(type, name);
  if (kind === "storage") {
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
