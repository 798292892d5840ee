/**
 * Chooses the user that a broker started by root changes to.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { processFacts, readText } from "../facts/process.ts";

/** The default user, if it is in /etc/passwd. */
const USUAL_NAME = "skep";
/** Uids that systemd reserves for DynamicUser=, which packages and administrators do not assign. */
const FREE = { from: 61184, to: 65519 };

/** A user by ids. */
export interface BrokerUser {
  /** User id. */
  readonly uid: number;
  /** Group id. */
  readonly gid: number;
}

/**
 * Returns the user to change to; undefined when this process is not root, or is to remain root.
 *
 * `wanted` is a name in /etc/passwd, `UID` or `UID:GID`. Without it, the user `skep` is chosen, or
 * else a uid that /etc/passwd, /etc/subuid and all processes leave free.
 *
 * @throws {SkepError} when there is no such user, or when one is requested and this process is not
 * root.
 */
export function chooseBrokerUser(kernel: Kernel, wanted?: string): BrokerUser | undefined {
  if (processFacts(kernel).uid === 0) {
    const user = userOf(kernel, wanted);
    return user.uid === 0 ? undefined : user;
  }
  if (wanted === undefined) return undefined;
  throw new SkepError({
    doing: "become",
    subject: wanted,
    why: "only root can become another user",
    fix: "start it as that user, with CAP_SYS_ADMIN and CAP_SYS_PTRACE as ambient capabilities",
    stage: "usage",
  });
}

function userOf(kernel: Kernel, wanted: string | undefined): BrokerUser {
  const numbers = /^(\d+)(?::(\d+))?$/.exec(wanted ?? "");
  if (numbers !== null) {
    const uid = Number(numbers[1]);
    return { uid, gid: numbers[2] === undefined ? uid : Number(numbers[2]) };
  }
  const known = passwd(kernel);
  const named = known.find(({ name }) => name === (wanted ?? USUAL_NAME));
  if (named !== undefined) return { uid: named.uid, gid: named.gid };
  if (wanted === undefined) {
    const taken = new Set([...known.map(({ uid }) => uid), ...uidsOfProcesses(kernel)]);
    const ranges = subordinate(kernel);
    for (let uid = FREE.from; uid <= FREE.to; uid++) {
      const given = ranges.some(({ first, count }) => uid >= first && uid < first + count);
      if (!given && !taken.has(uid)) return { uid, gid: uid };
    }
  }
  throw new SkepError({
    doing: "choose",
    subject: "the broker's user",
    why: wanted === undefined
      ? `no uid from ${FREE.from} to ${FREE.to} is free`
      : `there is no user ${wanted} in /etc/passwd`,
    fix: "pass one with --user, or create one: useradd --system skep",
    stage: "usage",
  });
}

function passwd(kernel: Kernel): (BrokerUser & { readonly name: string })[] {
  const lines = (readText(kernel, "/etc/passwd") ?? "").split("\n");
  return lines.flatMap((line) => {
    const [name = "", , uid = "", gid = ""] = line.split(":");
    return /^\d+$/.test(uid) && /^\d+$/.test(gid)
      ? [{ name, uid: Number(uid), gid: Number(gid) }]
      : [];
  });
}

function subordinate(kernel: Kernel): { readonly first: number; readonly count: number }[] {
  const lines = (readText(kernel, "/etc/subuid") ?? "").split("\n");
  return lines.flatMap((line) => {
    const [, first = "", count = ""] = line.split(":");
    return /^\d+$/.test(first) ? [{ first: Number(first), count: Number(count) }] : [];
  });
}

function uidsOfProcesses(kernel: Kernel): number[] {
  const pids = (kernel.readDirectory("/proc") ?? []).filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    const status = readText(kernel, `/proc/${pid}/status`, 8192) ?? "";
    return (/^Uid:\s*(.*)$/m.exec(status)?.[1] ?? "").split(/\s+/).filter(Boolean).map(Number);
  });
}
