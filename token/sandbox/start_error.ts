/**
 * Explains why a command did not start.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import { Errno, errnoName, failed } from "../../uapi/errno.ts";
import type { FailedStep, IsolatedCommand } from "../../kernel/processes.ts";

/** Returns the error for the step at which the child ended before its command ran. */
export function startError(failed: FailedStep, command: IsolatedCommand): KernelError {
  return new KernelError({
    doing: failed.step === "execve" ? "run" : "prepare a sandbox for",
    subject: command.arguments[0] ?? "the command",
    command: failed.step,
    result: failed.result === 0 ? -Errno.ESRCH : failed.result,
    ...explain(failed, command),
    stage: "token",
  });
}

function explain(
  { step, result }: FailedStep,
  command: IsolatedCommand,
): { readonly why: string; readonly fix?: string | undefined } {
  if (step === "clone3") return { why: "the process ended before this step" };
  if (step === "execve") {
    if (failed(result, Errno.ENOENT)) return { why: "there is no such program" };
    if (failed(result, Errno.EACCES)) {
      return {
        why: `uid ${command.uid} may not execute it`,
        fix:
          "make it and the directories above it readable for that user, or use skep sandbox --readable PATH",
      };
    }
  }
  if (step === "unshare the user namespace" && failed(result, Errno.ENOSPC)) {
    return {
      why: "no more user namespaces are allowed",
      fix: "raise user.max_user_namespaces",
    };
  }
  if (step === "move_mount" && failed(result, Errno.ENOENT)) {
    return {
      why: `there is no directory ${command.mountAt} to mount the bpffs at`,
      fix: "create it, or pass an existing directory",
    };
  }
  const answer = result === 0
    ? `${step} returned end of file`
    : `${step} failed with ${errnoName(-result)}`;
  return { why: `its preparation ended: ${answer}` };
}
