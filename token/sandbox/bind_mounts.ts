/**
 * Which directories stand between a user and the paths that it is to read.
 *
 * @module
 */

import type { Cover, VisiblePath } from "../../kernel/processes.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { O_PATH, S_IFDIR, S_IFMT } from "../../uapi/files.ts";

/** What {@linkcode coversFor} found. */
export interface Visibility {
  /** The paths, without those that lie within another of them. */
  readonly visible: readonly VisiblePath[];
  /** The topmost directory above them that the user may not enter, with what has to be in its place. */
  readonly covers: readonly Cover[];
}

/** Finds how to show paths to a user. Links are followed: a path is shown where it really is. */
export function coversFor(
  kernel: Kernel,
  paths: readonly string[],
  uid: number,
): Visibility {
  const real = [...new Set(paths.map((path) => realPath(kernel, path)))].sort();
  const visible: VisiblePath[] = [];
  for (const path of real) {
    if (visible.some((other) => isWithin(path, other.path))) continue;
    const directory = (kernel.stat(path).mode & S_IFMT) === S_IFDIR;
    visible.push({ path, directory });
  }
  const covers = new Map<string, { directories: Set<string>; files: string[] }>();
  for (const { path, directory } of visible) {
    const closed = ancestors(path).find((ancestor) => !mayEnter(kernel, ancestor, uid));
    if (closed === undefined) continue;
    const cover = covers.get(closed) ?? { directories: new Set(), files: [] };
    covers.set(closed, cover);
    for (const ancestor of ancestors(path)) {
      if (ancestor !== closed && isWithin(ancestor, closed)) cover.directories.add(ancestor);
    }
    if (directory) cover.directories.add(path);
    else cover.files.push(path);
  }
  return {
    visible,
    covers: [...covers].map(([path, { directories, files }]) => ({
      path,
      directories: [...directories],
      files,
    })),
  };
}

/** The directories above a path, `/` not among them, topmost first. */
function ancestors(path: string): string[] {
  const parts = path.split("/").slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

function mayEnter(kernel: Kernel, path: string, uid: number): boolean {
  const { result, mode, uid: owner } = kernel.stat(path);
  if (result < 0) return true;
  if (owner === uid) return (mode & 0o100) !== 0;
  // Who is in the group may enter by either; taking the stricter only covers a directory too much.
  return (mode & 0o001) !== 0;
}

/** By the kernel's own account: what an O_PATH descriptor of it is called. */
function realPath(kernel: Kernel, path: string): string {
  const fd = kernel.open(path, O_PATH);
  if (fd < 0) {
    throw new KernelError({
      doing: "make readable",
      subject: path,
      command: "open",
      number: fd,
      stage: "usage",
    });
  }
  const real = kernel.readLink(`/proc/self/fd/${fd}`);
  kernel.close(fd);
  return real ?? path;
}
