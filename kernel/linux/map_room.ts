/**
 * Keeps the kernel from writing elements where there is no room for them.
 *
 * Element commands go by the sizes of the map that a descriptor's number leads to, not by those of the memory
 * that they are given: the sizes are compared when room is made, and the room ends with the descriptor.
 *
 * @module
 */

import { argumentError, wholeNumber } from "../arguments.ts";
import { MapType } from "../../uapi/enums.ts";
import type { Native } from "./ffi/native.ts";
import { possibleCpus } from "./machine.ts";
import { type KernelMapShape, mapShape } from "./objects.ts";

/** What works on a descriptor by its number, and must not outlive it. */
const users = new Map<number, Set<Disposable>>();

/** Lets {@linkcode closeUsers} end something; returns what takes it back. */
export function useDescriptor(fd: number, user: Disposable): () => void {
  const all = users.get(fd) ?? new Set();
  users.set(fd, all.add(user));
  return () => {
    if (all.delete(user) && all.size === 0 && users.get(fd) === all) users.delete(fd);
  };
}

/**
 * Ends everything that works on a descriptor, before it is closed: the number goes to the next file that is
 * opened, and a map with larger values would then be read into room that is too small.
 */
export function closeUsers(fd: number): void {
  const all = users.get(fd);
  if (all === undefined) return;
  users.delete(fd);
  for (const user of all) user[Symbol.dispose]();
}

/** Refuses room for keys and values that is less than what the kernel writes. */
export function checkSizes(native: Native, fd: number, keySize: number, valueSize: number): void {
  wholeNumber(keySize, "the size of a key");
  wholeNumber(valueSize, "the size of a value");
  const shape = mapShape(native, fd);
  // Then the commands are refused too.
  if (typeof shape === "number") return;
  wholeNumber(keySize, "the size of a key", shape.keySize);
  wholeNumber(valueSize, "the size of a value", transferSize(native, shape));
}

/** Types with a value for each CPU (`bpf_map_value_size()` of `kernel/bpf/syscall.c`). */
const PER_CPU: ReadonlySet<number> = new Set<number>([
  MapType.percpu_hash,
  MapType.lru_percpu_hash,
  MapType.percpu_array,
  MapType.percpu_cgroup_storage,
]);

/** Bytes of a value as the element commands move it. */
function transferSize(native: Native, { type, valueSize }: KernelMapShape): number {
  if (!PER_CPU.has(type)) return valueSize;
  const cpus = possibleCpus(native);
  if (cpus !== undefined) return Math.ceil(valueSize / 8) * 8 * cpus;
  throw argumentError(
    "a map with a value for each CPU",
    "how many CPUs can be here is not known: /sys/devices/system/cpu/possible cannot be read",
    "mount sysfs on /sys",
  );
}
