/**
 * Gives a sandbox a cgroup, where cgroup version 2 is mounted: it names all processes of the sandbox and can
 * kill them.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { O_PATH, O_WRONLY } from "../../uapi/files.ts";

/** A cgroup that is killed and removed on disposal. */
export interface SandboxCgroup extends Disposable {
  /** Descriptor of its directory. */
  readonly fd: number;
  /** Path of its directory. */
  readonly path: string;
}

/** Maximum number of cgroups of one process. */
const MOST = 4096;

/**
 * Creates a cgroup below that of this process. Returns undefined when version 2 is not mounted or the directory is
 * not writable; the sandbox's pid namespace kills its processes in either case.
 */
export function makeCgroup(kernel: Kernel): SandboxCgroup | undefined {
  const parent = ownCgroup(kernel);
  if (parent === undefined) return undefined;
  removeLeftovers(kernel, parent);
  const path = makeNumbered(
    kernel,
    `${parent}/skep-sandbox-${kernel.readLink("/proc/self") ?? "0"}`,
  );
  if (path === undefined) return undefined;
  const fd = kernel.open(path, O_PATH);
  if (fd < 0) {
    kernel.unlink(path);
    return undefined;
  }
  return {
    fd,
    path,
    [Symbol.dispose](): void {
      kernel.close(fd);
      // cgroup.kill exists since Linux 5.14. Before, no process is left: init has ended.
      const kill = kernel.open(`${path}/cgroup.kill`, O_WRONLY);
      if (kill >= 0) {
        kernel.write(kill, new Uint8Array([0x31]));
        kernel.close(kill);
      }
      removeSoon(kernel, path, 50);
    },
  };
}

/** Creates a directory with the first number that is free, and returns its path. */
function makeNumbered(kernel: Kernel, prefix: string): string | undefined {
  for (let number = 1; number <= MOST; number++) {
    const path = `${prefix}-${number}`;
    const result = kernel.makeDirectory(path, 0o755);
    if (result >= 0) return path;
    if (!failed(result, Errno.EEXIST)) return undefined;
  }
  return undefined;
}

/** Removes the cgroups of processes that were killed before they could. One that is in use refuses (EBUSY). */
function removeLeftovers(kernel: Kernel, parent: string): void {
  for (const name of kernel.readDirectory(parent) ?? []) {
    const [, pid] = /^skep-sandbox-(\d+)-\d+$/.exec(name) ?? [];
    if (pid === undefined || kernel.stat(`/proc/${pid}`).result >= 0) continue;
    kernel.unlink(`${parent}/${name}`);
  }
}

/** Removes a cgroup after its last process has ended: killed processes end asynchronously. */
function removeSoon(kernel: Kernel, path: string, tries: number): void {
  if (!failed(kernel.unlink(path), Errno.EBUSY) || tries === 0) return;
  setTimeout(() => removeSoon(kernel, path, tries - 1), 10);
}

/** Returns the directory of this process's cgroup in the version 2 hierarchy. */
function ownCgroup(kernel: Kernel): string | undefined {
  const text = (path: string): string => {
    const { result, bytes } = kernel.readFile(path);
    return result < 0 ? "" : new TextDecoder().decode(bytes);
  };
  const [, own] = /^0::(\/.*)$/m.exec(text("/proc/self/cgroup")) ?? [];
  const mount = text("/proc/self/mounts").split("\n").map((line) => line.split(" "))
    .find(([, , type]) => type === "cgroup2")?.[1];
  if (own === undefined || mount === undefined || own.includes("/../")) return undefined;
  return own === "/" ? mount : `${mount}${own}`;
}
