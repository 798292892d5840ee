/**
 * Creates the errors of attaching.
 *
 * @module
 */

import { type JsonValue, SkepError } from "../../../errors/skep_error.ts";
import { KernelError } from "../../../errors/kernel_error.ts";

/** Attaching failed before the kernel refused: a target or option is missing, invalid or does not exist. */
export class AttachError extends SkepError {
  /** Name of the class, preserved by minification. */
  override readonly name: string = "AttachError";
}

/** Optional parts of an {@linkcode AttachError}. */
export interface AttachFacts {
  /** What to do, in the imperative. */
  readonly fix?: string | undefined;
  /** Name of the errno. */
  readonly errno?: string | undefined;
  /** Data: candidates, paths, numbers. */
  readonly data?: { readonly [key: string]: JsonValue } | undefined;
}

/** Creates an {@linkcode AttachError} about a program. */
export function attachError(program: string, why: string, facts: AttachFacts = {}): AttachError {
  return new AttachError({ doing: "attach", subject: program, why, stage: "attach", ...facts });
}

/** Creates the ENOENT error for a target that does not exist, with the nearest names that do. */
export function noSuchTarget(
  program: string,
  what: string,
  name: string,
  nearest: readonly string[],
  fix?: string,
): AttachError {
  const advice = nearest.length > 0 ? `nearest: ${nearest.join(", ")}` : fix;
  return attachError(program, `there is no ${what} "${name}"`, {
    errno: "ENOENT",
    fix: advice,
    data: { target: name, nearest },
  });
}

/**
 * Returns a result of zero or more.
 *
 * @throws {KernelError} of stage `attach` when the result is `-errno`.
 */
export function checkAttach(
  result: number,
  program: string,
  command: string,
  facts: {
    readonly why?: string | undefined;
    readonly fix?: string | undefined;
    readonly data?: { readonly [key: string]: JsonValue } | undefined;
  } = {},
): number {
  if (result >= 0) return result;
  throw new KernelError({
    doing: "attach",
    subject: program,
    command,
    result,
    stage: "attach",
    ...facts,
  });
}
