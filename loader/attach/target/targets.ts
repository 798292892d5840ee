/**
 * Resolves targets that a user names (an interface, a cgroup's path) to an index or a descriptor.
 *
 * @module
 */

import type { Kernel } from "../../../kernel/kernel.ts";
import { nearestNames } from "../../../object/spec/named.ts";
import { attachError, checkAttach, noSuchTarget } from "./error.ts";
import { numbersOf } from "../../../uapi/architecture.ts";
import { Errno, failed } from "../../../uapi/errno.ts";

/** Path of a cgroup, network namespace or device, or a descriptor of one, which the caller keeps. */
export type PathOrDescriptor = string | number;

/**
 * Returns the index of an interface, given by name or index.
 *
 * @throws {AttachError} EINVAL when none is given or the index is out of range, ENOENT with the nearest names.
 */
export function interfaceIndex(
  kernel: Kernel,
  program: string,
  given: string | number | undefined,
): number {
  if (given === undefined) {
    throw attachError(program, "no network interface was given", {
      errno: "EINVAL",
      fix: 'attach({ interface: "NAME" })',
    });
  }
  if (typeof given === "number") {
    // The kernel checks that the index exists: /sys may belong to another network namespace.
    if (Number.isInteger(given) && given > 0 && given <= 0x7fffffff) return given;
    throw attachError(program, `${given} is not an index of a network interface`, {
      errno: "EINVAL",
      fix: "give the interface's name, or an index of 1 or more",
    });
  }
  const index = kernel.interfaceIndex(given);
  if (index > 0) return index;
  const names = kernel.readDirectory("/sys/class/net") ?? [];
  throw noSuchTarget(program, "network interface", given, nearestNames(given, names));
}

/**
 * Calls back with a descriptor of the target, and closes it afterwards if it was opened here. Links keep
 * their own reference to the target.
 *
 * @throws {AttachError} EINVAL when no target is given.
 * @throws {KernelError} when the target cannot be opened.
 */
export function withTarget<T>(
  kernel: Kernel,
  program: string,
  what: "cgroup" | "netns" | "sockmap" | "lirc",
  given: PathOrDescriptor | undefined,
  use: (fd: number) => T,
): T {
  if (given === undefined) {
    throw attachError(program, `no ${what} was given`, {
      errno: "EINVAL",
      fix: `attach({ ${what}: "PATH" })`,
    });
  }
  if (typeof given === "number") return use(given);
  const { O_DIRECTORY } = numbersOf(kernel.machine.machine);
  const fd = what === "sockmap"
    ? kernel.objectGet(given)
    : kernel.open(given, what === "cgroup" ? O_DIRECTORY : 0);
  checkAttach(fd, program, what === "sockmap" ? "BPF_OBJ_GET" : "open", {
    data: { [what]: given },
    why: failed(fd, Errno.ENOENT) ? `there is no ${what} at "${given}"` : undefined,
  });
  try {
    return use(fd);
  } finally {
    kernel.close(fd);
  }
}
