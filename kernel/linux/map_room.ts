/**
 * Keeps the kernel from writing elements past the end of their buffers.
 *
 * Element commands use the sizes of the map behind the descriptor, not those of the buffers: the sizes are
 * compared when buffers are allocated, and the buffers are closed with the descriptor.
 *
 * @module
 */

import { argumentError, wholeNumber } from "../arguments.ts";
import { MapType } from "../../uapi/enums.ts";
import type { Native } from "./ffi/native.ts";
import { possibleCpus } from "./machine.ts";
import { type KernelMapShape, mapShape } from "./objects.ts";

/** Users of a descriptor by its number; they must not outlive it. */
const users = new Map<number, Set<Disposable>>();

/** Registers a user for {@linkcode closeUsers}; returns a function that unregisters it. */
export function useDescriptor(fd: number, user: Disposable): () => void {
  const all = users.get(fd) ?? new Set();
  users.set(fd, all.add(user));
  return () => {
    if (all.delete(user) && all.size === 0 && users.get(fd) === all) users.delete(fd);
  };
}

/**
 * Disposes of all users of a descriptor before it is closed. The number is reused by the next file that is
 * opened, and a map with larger values would write past the end of the buffers.
 */
export function closeUsers(fd: number): void {
  const all = users.get(fd);
  if (all === undefined) return;
  users.delete(fd);
  for (const user of all) user[Symbol.dispose]();
}

/** Throws when buffers for keys and values are smaller than what the kernel writes. */
export function checkSizes(native: Native, fd: number, keySize: number, valueSize: number): void {
  wholeNumber(keySize, "the size of a key");
  wholeNumber(valueSize, "the size of a value");
  const shape = mapShape(native, fd);
  // No map is behind the descriptor: the kernel refuses the commands as well.
  if (typeof shape === "number") return;
  wholeNumber(keySize, "the size of a key", shape.keySize);
  wholeNumber(valueSize, "the size of a value", transferSize(native, shape));
}

/** Types with one value per CPU (`bpf_map_value_size()` in `kernel/bpf/syscall.c`). */
const PER_CPU: ReadonlySet<number> = new Set<number>([
  MapType.percpu_hash,
  MapType.lru_percpu_hash,
  MapType.percpu_array,
  MapType.percpu_cgroup_storage,
]);

/** Returns the size of a value in bytes as the element commands copy it. */
function transferSize(native: Native, { type, valueSize }: KernelMapShape): number {
  if (!PER_CPU.has(type)) return valueSize;
  const cpus = possibleCpus(native);
  if (cpus !== undefined) return Math.ceil(valueSize / 8) * 8 * cpus;
  throw argumentError(
    "a map with one value per CPU",
    "the number of possible CPUs is unknown: /sys/devices/system/cpu/possible cannot be read",
    "mount sysfs on /sys",
  );
}
