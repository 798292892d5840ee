/**
 * Errors of attaching, in one shape.
 *
 * @module
 */

import { type JsonValue, SkepError } from "../../../errors/skep_error.ts";
import { KernelError } from "../../../errors/kernel_error.ts";

/** What is not the kernel's refusal: a target that was not given, or that does not exist. */
export class AttachError extends SkepError {
  /** The class's name, also after minification. */
  override readonly name: string = "AttachError";
}

/** The more that an attach error can say. */
export interface AttachFacts {
  /** What to do about it. */
  readonly fix?: string | undefined;
  /** The errno by name. */
  readonly errno?: string | undefined;
  /** Candidates, paths, numbers. */
  readonly data?: { readonly [key: string]: JsonValue } | undefined;
}

/** An {@linkcode AttachError} about a program. */
export function attachError(program: string, why: string, facts: AttachFacts = {}): AttachError {
  return new AttachError({ doing: "attach", subject: program, why, stage: "attach", ...facts });
}

/** A target that does not exist, with the nearest names that do. */
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

/** Gives back a result of zero or more, and throws a {@linkcode KernelError} of the stage `attach` for `-errno`. */
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
