/**
 * Errors of streams, in one shape.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";

/** An error that no system call gave: wrong use, or wrong data. */
export function streamError(doing: string, subject: string, why: string, fix?: string): SkepError {
  return new SkepError({
    doing,
    subject,
    why,
    stage: "stream",
    fix,
  });
}

/** A refused system call of a stream. */
export function refused(
  doing: string,
  subject: string,
  command: string,
  number: number,
  why?: string,
): KernelError {
  return new KernelError({
    doing,
    subject,
    command,
    number,
    stage: "stream",
    why,
  });
}
