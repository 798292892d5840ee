/**
 * The bpffs mounts that this process sees, and what they delegate.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { Delegation } from "../../plan/delegation.ts";

/** Where libbpf and systemd look. */
export const DEFAULT_MOUNT = "/sys/fs/bpf";

/** A mounted BPF file system. */
export interface BpffsMount {
  /** Where it is mounted. */
  readonly path: string;
  /** What it delegates; undefined where the options have a word that this version does not know. */
  readonly delegation: Delegation | undefined;
  /** Its options as /proc/self/mountinfo prints them. */
  readonly options: string;
  /** Which part of the file system is mounted here: `/` for all of it. */
  readonly root: string;
  /** `major:minor` of the file system. */
  readonly device: string;
}

/**
 * Reads the bpffs mounts out of /proc/self/mountinfo's text: `/sys/fs/bpf` first, then in the order of mounting.
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
  // Of several mounts at one place the last covers the others.
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

/** The bpffs mounts of this process; none where /proc cannot be read. */
export function bpffsMounts(kernel: Kernel): BpffsMount[] {
  const { result, bytes } = kernel.readFile("/proc/self/mountinfo");
  return result < 0 ? [] : parseBpffsMounts(new TextDecoder().decode(bytes));
}

function delegationOf(options: string): Delegation | undefined {
  try {
    return Delegation.parse(options);
  } catch {
    // A word of a later kernel: the token will tell its mask.
    return undefined;
  }
}

/** mountinfo writes space, tab, newline and backslash in octal. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}
