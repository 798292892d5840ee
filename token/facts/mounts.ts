/**
 * The bpffs mounts in this process's mount namespace, and what they delegate.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { Delegation } from "../../plan/delegation.ts";

/** The mount point that libbpf and systemd use. */
export const DEFAULT_MOUNT = "/sys/fs/bpf";

/** A mounted BPF file system. */
export interface BpffsMount {
  /** The mount point. */
  readonly path: string;
  /** The delegation; undefined when the options contain a name unknown to this version. */
  readonly delegation: Delegation | undefined;
  /** The options as in /proc/self/mountinfo. */
  readonly options: string;
  /** The part of the file system that is mounted: `/` for all of it. */
  readonly root: string;
  /** The file system's device, as `major:minor`. */
  readonly device: string;
}

/**
 * Parses the bpffs mounts from /proc/self/mountinfo: `/sys/fs/bpf` first, then in the order of mounting.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseBpffsMounts } from "@skep/skep/token";
 *
 * const [mount] = parseBpffsMounts(
 *   "65 44 0:39 / /sys/fs/bpf rw - bpf none rw,delegate_cmds=map_create:prog_load\n",
 * );
 * assertEquals(mount?.delegation?.names("commands"), ["map_create", "prog_load"]);
 * ```
 */
export function parseBpffsMounts(mountinfo: string): BpffsMount[] {
  // Of several mounts at one path, the last covers the others.
  const byPath = new Map<string, BpffsMount>();
  for (const line of mountinfo.split("\n")) {
    const separator = line.indexOf(" - bpf ");
    if (separator < 0) continue;
    const [, , device, root, path] = line.slice(0, separator).split(" ");
    const options = line.slice(separator + 7).split(" ")[1] ?? "";
    if (device === undefined || root === undefined || path === undefined) continue;
    const place = unescapePath(path);
    byPath.delete(place);
    byPath.set(place, {
      path: place,
      root: unescapePath(root),
      device,
      options,
      delegation: delegationOf(options),
    });
  }
  const mounts = [...byPath.values()];
  return [
    ...mounts.filter(({ path }) => path === DEFAULT_MOUNT),
    ...mounts.filter(({ path }) => path !== DEFAULT_MOUNT),
  ];
}

/** Returns the bpffs mounts of this process; none when /proc cannot be read. */
export function bpffsMounts(kernel: Kernel): BpffsMount[] {
  const { result, bytes } = kernel.readFile("/proc/self/mountinfo");
  return result < 0 ? [] : parseBpffsMounts(new TextDecoder().decode(bytes));
}

function delegationOf(options: string): Delegation | undefined {
  try {
    return Delegation.parse(options);
  } catch {
    // A name of a later kernel; the token's info gives the masks.
    return undefined;
  }
}

/** mountinfo escapes space, tab, newline and backslash in octal. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}
