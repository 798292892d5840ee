/**
 * Why the kernel refused a command of a load: with a token, the word that is missing; without, the
 * privilege.
 *
 * @module
 */

import type { SkepError } from "../elf/error.ts";
import { KernelError, type KernelErrorFacts } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { explainRefusal } from "../token/explain/refusal.ts";
import type { Token } from "../token/token.ts";
import type { Subject } from "./state.ts";

/** The error of a refused command: a `DelegationError` where delegation explains it. */
export function explainRefused(
  kernel: Kernel,
  token: Token | undefined,
  facts: KernelErrorFacts,
  subject: Subject,
): SkepError {
  const log = facts.data?.["log"];
  const explained = explainRefusal(kernel, {
    command: facts.command,
    doing: facts.doing,
    subject: facts.subject,
    errno: -Math.abs(facts.number),
    token,
    ...(typeof log === "string" ? { log } : {}),
    ...(subject.kind === "map"
      ? {
        map: {
          type: subject.map.type,
          keySize: subject.map.keySize,
          valueSize: subject.map.valueSize,
          maxEntries: subject.map.maxEntries,
          flags: subject.map.flags,
        },
      }
      : {}),
    ...(subject.kind === "program"
      ? { program: { type: subject.program.type, attachType: subject.attachType } }
      : {}),
  });
  // What is wrong with the arguments the caller knows better.
  return explained === undefined || explained.reason === "invalid-arguments"
    ? new KernelError(facts)
    : explained;
}
