/**
 * From what a user names (an interface, a cgroup's path) to what the kernel takes (an index, a descriptor).
 *
 * @module
 */

import type { Kernel } from "../../../kernel/kernel.ts";
import { nearestNames } from "../../../object/spec/named.ts";
import { attachError, checkAttach, noSuchTarget } from "./error.ts";
import { numbersOf } from "../../../uapi/architecture.ts";
import { Errno, failed } from "../../../uapi/errno.ts";

/** A cgroup or a network namespace: the path of its directory or file, or a descriptor that stays the caller's. */
export type PathOrDescriptor = string | number;

/** The index of an interface, by its name or as it is. */
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
    // Whether there is one of this index, the kernel says: its namespace is not that of /sys.
    if (Number.isInteger(given) && given > 0 && given <= 0x7fffffff) return given;
    throw attachError(program, `${given} is no index of a network interface`, {
      errno: "EINVAL",
      fix: "give its name, or an index from 1",
    });
  }
  const index = kernel.interfaceIndex(given);
  if (index > 0) return index;
  const names = kernel.readDirectory("/sys/class/net") ?? [];
  throw noSuchTarget(program, "network interface", given, nearestNames(given, names));
}

/**
 * Calls back with a descriptor of the target, which is closed afterwards if it was opened here: a
 * link holds what it needs.
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
