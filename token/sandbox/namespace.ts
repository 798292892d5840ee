/**
 * Processes by their user namespace: so that none is left of a sandbox.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { SIGKILL } from "../../uapi/processes.ts";

/** Rounds of looking for processes, with a pause between: more than a fork bomb lasts that is killed as it grows. */
const ROUNDS = 200;

/** A user namespace, held by a descriptor. */
export interface UserNamespace extends Disposable {
  /** The descriptor; below zero when it could not be had. */
  readonly fd: number;
  /** Its inode. While the descriptor is open, no other namespace has it. */
  readonly inode: bigint;
}

/** The user namespace that a process is in. */
export function userNamespaceOf(kernel: Kernel, pid: number): UserNamespace {
  const fd = kernel.open(`/proc/${pid}/ns/user`);
  const inode = fd < 0 ? 0n : kernel.stat(fd).inode;
  return {
    fd,
    inode,
    [Symbol.dispose](): void {
      if (fd >= 0) kernel.close(fd);
    },
  };
}

/** Ends every process in a user namespace or in one below it, and waits until they are gone. */
export async function endProcessesOf(kernel: Kernel, namespace: UserNamespace): Promise<void> {
  if (namespace.fd < 0) return;
  for (let round = 0; round < ROUNDS; round++) {
    let found = 0;
    for (const name of kernel.readDirectory("/proc") ?? []) {
      const pid = Number(name);
      if (!Number.isInteger(pid) || !isInside(kernel, pid, namespace)) continue;
      const pidfd = kernel.processes.children.open(pid);
      if (pidfd < 0) continue;
      // The pid may be another process's by now; with the descriptor held, it can be asked again.
      // One that has ended already is readable, and waits for nobody but its parent.
      if (isInside(kernel, pid, namespace) && !kernel.poller.poll(pidfd, 0)) {
        kernel.processes.children.signal(pidfd, SIGKILL);
        found++;
      }
      kernel.close(pidfd);
    }
    if (found === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function isInside(kernel: Kernel, pid: number, namespace: UserNamespace): boolean {
  let fd = kernel.open(`/proc/${pid}/ns/user`);
  while (fd >= 0) {
    const { inode } = kernel.stat(fd);
    if (inode === namespace.inode) {
      kernel.close(fd);
      return true;
    }
    const parent = kernel.processes.namespaces.parent(fd);
    kernel.close(fd);
    fd = parent;
  }
  return false;
}
