/**
 * Finds the directories that hide paths from a user.
 *
 * @module
 */

import type { Cover, VisiblePath } from "../../kernel/processes.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { Errno } from "../../uapi/errno.ts";
import { O_PATH, S_IFDIR, S_IFMT } from "../../uapi/files.ts";

/** The result of {@linkcode coversFor}. */
export interface Visibility {
  /** The paths, without those within another of them. */
  readonly visible: readonly VisiblePath[];
  /** For each path, the topmost directory that the user may not enter, with the replacement's contents. */
  readonly covers: readonly Cover[];
}

/**
 * Finds how to show paths to a user, and where to put empty directories that the user may write. Symbolic
 * links are resolved: a path is shown at its real location.
 *
 * @throws {KernelError} for a path that does not exist, and for `/`, which cannot be mounted over itself.
 */
export function coversFor(
  kernel: Kernel,
  paths: readonly string[],
  user: { readonly uid: number; readonly gid: number },
  scratch: readonly string[] = [],
): Visibility {
  const { uid } = user;
  const real = [...new Set(paths.map((path) => realPath(kernel, path)))].sort();
  const visible: VisiblePath[] = [];
  for (const path of real) {
    if (visible.some((other) => isWithin(path, other.path))) continue;
    const directory = (kernel.stat(path).mode & S_IFMT) === S_IFDIR;
    visible.push({ path, directory });
  }
  const covers = new Map<string, Covered>();
  for (const path of scratch) {
    const closed = ancestors(path).find((ancestor) => !mayEnter(kernel, ancestor, uid));
    const outer = closed === undefined ? undefined : coverOf(covers, closed);
    for (const ancestor of [...ancestors(path), path]) {
      if (closed !== undefined && ancestor !== closed && isWithin(ancestor, closed)) {
        outer?.directories.add(ancestor);
      }
    }
    covers.set(path, { ...emptyCover(), owner: user });
  }
  for (const { path, directory } of visible) {
    const inner = scratch.find((place) => isWithin(path, place));
    if (inner !== undefined) {
      const cover = coverOf(covers, inner);
      for (const ancestor of ancestors(path)) {
        if (ancestor !== inner && isWithin(ancestor, inner)) cover.directories.add(ancestor);
      }
      if (directory) cover.directories.add(path);
      else cover.files.push(path);
      continue;
    }
    const closed = ancestors(path).find((ancestor) => !mayEnter(kernel, ancestor, uid));
    if (closed === undefined) continue;
    const cover = coverOf(covers, closed);
    for (const ancestor of ancestors(path)) {
      if (ancestor !== closed && isWithin(ancestor, closed)) cover.directories.add(ancestor);
    }
    if (directory) cover.directories.add(path);
    else cover.files.push(path);
  }
  for (const { path, target } of paths.flatMap((each) => linksOf(kernel, each))) {
    const closed = ancestors(path).find((ancestor) => !mayEnter(kernel, ancestor, uid));
    if (closed === undefined || visible.some((other) => isWithin(path, other.path))) continue;
    const cover = coverOf(covers, closed);
    for (const ancestor of ancestors(path)) {
      if (ancestor !== closed && isWithin(ancestor, closed)) cover.directories.add(ancestor);
    }
    cover.links.set(path, target);
  }
  return {
    visible,
    // A scratch directory may lie within another cover, so outer ones come first.
    covers: [...covers].sort(([a], [b]) => a < b ? -1 : 1).map((
      [path, { directories, files, links, owner }],
    ) => ({
      path,
      directories: [...directories],
      files,
      links: [...links].map(([link, target]) => ({ path: link, target })),
      owner,
    })),
  };
}

type OwnedBy = NonNullable<Cover["owner"]>;

interface Covered {
  readonly directories: Set<string>;
  readonly files: string[];
  readonly links: Map<string, string>;
  readonly owner?: OwnedBy;
}

function emptyCover(): Covered {
  return { directories: new Set(), files: [], links: new Map() };
}

/** Returns the symbolic links from a path to its target, which are needed where a cover hides them. */
function linksOf(
  kernel: Kernel,
  path: string,
): { readonly path: string; readonly target: string }[] {
  const links: { readonly path: string; readonly target: string }[] = [];
  let at = path;
  // The kernel follows at most 40 (MAXSYMLINKS).
  while (links.length < 40) {
    const target = kernel.readLink(at);
    if (target === undefined || at.startsWith("/proc/")) break;
    links.push({ path: at, target });
    at = target.startsWith("/") ? target : `${at.slice(0, at.lastIndexOf("/"))}/${target}`;
  }
  return links;
}

function coverOf(covers: Map<string, Covered>, path: string): Covered {
  const cover = covers.get(path) ?? emptyCover();
  covers.set(path, cover);
  return cover;
}

/** Returns the directories above a path without `/`, topmost first. */
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
  // A member of the group may enter by the group's bits; ignoring them covers at most one directory too
  // many.
  return (mode & 0o001) !== 0;
}

/** Returns the real path, which /proc/self/fd shows for an O_PATH descriptor. */
function realPath(kernel: Kernel, path: string): string {
  const fd = kernel.open(path, O_PATH);
  if (fd < 0) {
    throw new KernelError({
      doing: "make readable",
      subject: path,
      command: "open",
      result: fd,
      stage: "usage",
    });
  }
  const real = kernel.readLink(`/proc/self/fd/${fd}`);
  kernel.close(fd);
  if (real === "/") {
    throw new KernelError({
      doing: "make readable",
      subject: path,
      command: "mount",
      result: -Errno.EINVAL,
      why: "it is the root directory, which cannot be mounted over itself",
      fix: "name the directories that the command reads",
      stage: "usage",
    });
  }
  return real ?? path;
}
