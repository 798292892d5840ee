/**
 * The user of a sandbox outside: a uid that no other process has.
 *
 * A process with the same uid can send signals to the command, read its files and, as owner of its user
 * namespace, enter it. So each sandbox takes a separate uid from a range that no other software uses.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { O_CREAT, O_RDWR } from "../../uapi/files.ts";

/** Uids that sandboxes may take. */
export interface UserRange {
  /** The first uid, which is also the first gid. */
  readonly first: number;
  /** Number of uids. */
  readonly count: number;
}

/**
 * 65,536 uids from 0x70000000. systemd's list of ranges (docs/UIDS-GIDS.md) has none there, and shadow's
 * defaults for /etc/subuid end below.
 */
export const DEFAULT_USER_RANGE: UserRange = { first: 0x70000000, count: 65536 };

/** A uid and gid that are locked until disposal. */
export interface SandboxUser extends Disposable {
  /** The uid outside. */
  readonly uid: number;
  /** The gid outside. */
  readonly gid: number;
}

const LOCKS = "/run/skep/uid";
/** Number of uids to try before the range counts as full. */
const TRIES = 256;

/**
 * Locks a uid of the range that is in no user database, in no subordinate range and in no task.
 *
 * The lock is flock(2) on a file in `/run/skep/uid`: it ends with the process that holds it.
 *
 * @throws {KernelError} EAGAIN when no uid of the range is free; the errno of the lock file otherwise.
 */
export function lockUser(kernel: Kernel, range: UserRange = DEFAULT_USER_RANGE): SandboxUser {
  const taken = takenIds(kernel);
  for (let offset = 0; offset < Math.min(range.count, TRIES); offset++) {
    const uid = range.first + offset;
    if (taken.some(({ first, count }) => uid >= first && uid < first + count)) continue;
    const fd = lock(kernel, uid);
    if (fd === undefined) continue;
    // Checked under the lock: a sandbox that has just ended may still have tasks.
    if (!hasTasks(kernel, uid)) {
      return {
        uid,
        gid: uid,
        [Symbol.dispose](): void {
          kernel.close(fd);
        },
      };
    }
    kernel.close(fd);
  }
  throw new KernelError({
    doing: "choose",
    subject: `a user from ${range.first} to ${range.first + range.count - 1}`,
    command: "flock",
    result: -Errno.EAGAIN,
    why: "none of them is free",
    fix: "name another range (--user-range FIRST-LAST), or a user (--user UID)",
    stage: "token",
  });
}

/** Returns a descriptor of the locked file; undefined when another process holds the lock. */
function lock(kernel: Kernel, uid: number): number | undefined {
  for (const [path, mode] of [["/run/skep", 0o755], [LOCKS, 0o700]] as const) {
    const made = kernel.makeDirectory(path, mode);
    if (made < 0 && !failed(made, Errno.EEXIST)) throw unlockable(path, "mkdir", made);
  }
  const path = `${LOCKS}/${uid}`;
  const fd = kernel.open(path, O_RDWR | O_CREAT);
  if (fd < 0) throw unlockable(path, "open", fd);
  const locked = kernel.processes.children.lock(fd);
  if (locked >= 0) return fd;
  kernel.close(fd);
  if (!failed(locked, Errno.EAGAIN)) throw unlockable(path, "flock", locked);
  return undefined;
}

function unlockable(subject: string, command: string, number: number): KernelError {
  return new KernelError({
    doing: "lock a user in",
    subject,
    command,
    result: number,
    fix: "name the user instead (--user UID)",
    stage: "token",
  });
}

/** Returns the ids in the user and group databases, and the subordinate ranges. */
function takenIds(kernel: Kernel): UserRange[] {
  const ranges: UserRange[] = [];
  for (const path of ["/etc/passwd", "/etc/group"]) {
    for (const [, , id] of lines(kernel, path)) ranges.push({ first: Number(id), count: 1 });
  }
  for (const path of ["/etc/subuid", "/etc/subgid"]) {
    for (const [, first, count] of lines(kernel, path)) {
      ranges.push({ first: Number(first), count: Number(count) });
    }
  }
  return ranges;
}

function lines(kernel: Kernel, path: string): string[][] {
  const { result, bytes } = kernel.readFile(path);
  if (result < 0) return [];
  return new TextDecoder().decode(bytes).split("\n").map((line) => line.split(":"));
}

/** Returns whether any thread of the machine has the uid as real, effective, saved or file system uid. */
function hasTasks(kernel: Kernel, uid: number): boolean {
  const pattern = new RegExp(`^Uid:.*\\b${uid}\\b`, "m");
  const isNumber = (name: string): boolean => /^\d+$/.test(name);
  for (const pid of (kernel.readDirectory("/proc") ?? []).filter(isNumber)) {
    for (const tid of (kernel.readDirectory(`/proc/${pid}/task`) ?? []).filter(isNumber)) {
      const { result, bytes } = kernel.readFile(`/proc/${pid}/task/${tid}/status`, 4096);
      if (result >= 0 && pattern.test(new TextDecoder().decode(bytes))) return true;
    }
  }
  return false;
}
