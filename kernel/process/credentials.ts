/**
 * Drops the privileges of this process.
 *
 * @module
 */

import type { Confinement, FailedStep } from "../processes.ts";
import { capabilitySets } from "./child_steps.ts";
import { openIdentity } from "../linux/ffi/identity.ts";
import { native } from "../linux/ffi/native.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import {
  _LINUX_CAPABILITY_VERSION_3,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_SET_DUMPABLE,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
} from "../../uapi/processes.ts";

/**
 * Drops all privileges that are not named. Returns the refused step, after which the process should end.
 */
export function confine({ user, capabilities }: Confinement): FailedStep | undefined {
  const { prctl } = systemCalls;
  const steps: (readonly [string, () => number])[] = [];
  const add = (step: string, work: () => number): void => {
    steps.push([step, work]);
  };
  add("prctl", () => native().call(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  if (user !== undefined) {
    const { uid, gid } = user;
    using identity = openIdentity();
    // Only this thread keeps its permitted set over the change of uid; all other threads lose theirs.
    add("prctl", () => native().call(prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0));
    add("setgroups", identity.clearGroups);
    add("setresgid", () => identity.setGroup(gid));
    add("setresuid", () => identity.setUser(uid));
    add("capset", () => setCapabilities(capabilities));
    add("prctl", () => native().call(prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0));
    return finish(steps);
  }
  add("capset", () => setCapabilities(capabilities));
  return finish(steps);
}

function finish(steps: readonly (readonly [string, () => number])[]): FailedStep | undefined {
  const { prctl } = systemCalls;
  const last: (readonly [string, () => number])[] = [
    ["prctl", () => native().call(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)],
    // Last, because a change of credentials sets dumpable to fs.suid_dumpable.
    ["prctl", () => native().call(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0)],
  ];
  for (const [step, work] of [...steps, ...last]) {
    const result = work();
    if (result < 0) return { step, result };
  }
  return undefined;
}

function setCapabilities(capabilities: readonly number[]): number {
  using frame = native().frame();
  const header = frame.words([_LINUX_CAPABILITY_VERSION_3, 0]);
  return native().call(systemCalls.capset, header, frame.bytes(capabilitySets(capabilities)));
}
