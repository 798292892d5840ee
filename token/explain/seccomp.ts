/**
 * Explains refusals by seccomp filters: those of containers deny bpf(2) regardless of token and
 * capabilities.
 *
 * @module
 */

import type { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { Command } from "../../uapi/enums.ts";
import { Errno, errnoName } from "../../uapi/errno.ts";
import { seccompAnswer } from "../facts/seccomp.ts";
import type { Finding } from "./case.ts";
import { DelegationError } from "./delegation_error.ts";

/** The errnos with which filters deny. */
const DENIALS: ReadonlySet<number> = new Set([Errno.EPERM, Errno.EACCES, Errno.ENOSYS]);

/** The fix for a filter that denies bpf(2). */
export const SECCOMP_FIX: string =
  "allow the system call bpf in the profile of the container or service (--security-opt seccomp=FILE, " +
  "seccompProfile, SystemCallFilter=); no token and no capability overrides it";

/** Returns the number of a command by its name in errors: `BPF_MAP_CREATE`. */
function commandNumber(name: string): number | undefined {
  const key = name.replace(/^BPF_/, "").toLowerCase();
  const found = Object.entries(Command).find(([command]) => command === key);
  return name.startsWith("BPF_") ? found?.[1] : undefined;
}

/** Returns the finding that a filter denied a command of bpf(2); undefined when none did. */
export function seccompFinding(
  kernel: Kernel,
  command: string,
  result: number,
  evidence: string[],
): Finding | undefined {
  if (!DENIALS.has(-result)) return undefined;
  const number = commandNumber(command);
  const answer = number === undefined ? undefined : seccompAnswer(kernel, number);
  if (answer === undefined) return undefined;
  evidence.push(
    "/proc/self/status says Seccomp: 2",
    `${command} with attributes that no kernel accepts returns ${errnoName(answer)}, not E2BIG`,
  );
  return {
    reason: "seccomp",
    why: "a seccomp filter denies bpf(2) to this process",
    fix: SECCOMP_FIX,
  };
}

/** Returns the error of a filter's denial when the error was one; undefined otherwise. */
export function explainSeccomp(kernel: Kernel, error: KernelError): DelegationError | undefined {
  const { doing, subject, command, stage, data } = error;
  const result = -error.number;
  const evidence: string[] = [];
  const finding = seccompFinding(kernel, command, result, evidence);
  if (finding === undefined) return undefined;
  return new DelegationError({
    doing,
    subject,
    command,
    result,
    stage: stage === "map" || stage === "btf" || stage === "program" || stage === "attach"
      ? stage
      : "token",
    evidence,
    data,
    ...finding,
  }, { cause: error });
}
