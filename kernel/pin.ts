/**
 * Pins descriptors on a bpffs.
 *
 * @module
 */

import { SkepError } from "../errors/skep_error.ts";
import { Errno, errnoName, failed } from "../uapi/errno.ts";
import type { Kernel } from "./kernel.ts";
import { bpffsComponentFault } from "./path_component.ts";
import { BPF_FS_MAGIC } from "../uapi/files.ts";

/**
 * Pins a descriptor at `path`; creates the directory when it does not exist (one level, mode 0700).
 *
 * Returns 0 or `-errno`.
 *
 * @throws {SkepError} EINVAL for a name that a bpffs does not accept, or a directory that is not on a
 * bpffs.
 */
export function pinDescriptor(kernel: Kernel, fd: number, path: string, subject: string): number {
  const slash = path.lastIndexOf("/");
  const directory = slash < 0 ? "." : path.slice(0, Math.max(1, slash));
  const fault = bpffsComponentFault(path.slice(slash + 1));
  if (fault !== undefined) {
    throw new SkepError({
      doing: "pin",
      subject: `${subject} at ${path}`,
      errno: errnoName(Errno.EINVAL),
      stage: "map",
      why: `the name of the pin ${fault}`,
      fix: "name a file in a directory below a bpffs mount such as /sys/fs/bpf",
    });
  }
  const made = kernel.makeDirectory(directory, 0o700);
  if (made < 0 && !failed(made, Errno.EEXIST)) return made;
  const magic = kernel.filesystemType(directory);
  if (magic < 0) return magic;
  if (magic >>> 0 !== BPF_FS_MAGIC) {
    throw new SkepError({
      doing: "pin",
      subject: `${subject} at ${path}`,
      errno: errnoName(Errno.EINVAL),
      stage: "map",
      why: `${directory} is not in a BPF file system`,
      fix: "name a path below a bpffs mount such as /sys/fs/bpf",
    });
  }
  return kernel.objectPin(fd, path);
}
