/**
 * Why the kernel refused a command of a load: with a token, the word that is missing; without, the
 * privilege.
 *
 * @module
 */

import type { SkepError } from "../elf/error.ts";
import { KernelError, type KernelErrorFacts } from "../kernel/error.ts";
import { Errno } from "../kernel/errno.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Token } from "../token/token.ts";
import type { Subject } from "./state.ts";

/** The error of a refused command. */
export function explainRefused(
  _kernel: Kernel,
  _token: Token | undefined,
  facts: KernelErrorFacts,
  _subject: Subject,
): SkepError {
  if (Math.abs(facts.number) !== Errno.EPERM) return new KernelError(facts);
  return new KernelError({
    ...facts,
    fix: "run as root, or get a token that delegates what `skep plan` says",
  });
}
