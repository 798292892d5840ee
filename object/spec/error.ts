/**
 * The error of the object layer: what is wrong with a compiled object, or with an edit of its spec.
 *
 * @module
 */

import { type ErrorFacts, SkepError } from "../../errors/skep_error.ts";

/**
 * An object, or a part of it, that cannot be used as it is.
 *
 * `errno` is what libbpf would answer in the same place, `stage` the step at which it would.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { ObjectError, ObjectSpec } from "@skep/skep";
 *
 * assertThrows(() => ObjectSpec.parse(new Uint8Array(3), { name: "x.o" }), Error, "x.o");
 * ```
 */
export class ObjectError extends SkepError {
  /** Tells the class. */
  override readonly name: string = "ObjectError";
}

/**
 * A reference in an object's code that leads nowhere, or where it must not: the object parsed, but
 * its code cannot be put together.
 */
export class RelocationError extends ObjectError {
  /** Tells the class. */
  override readonly name: string = "RelocationError";

  /** Makes the error; the stage is `relocate` unless the facts name another. */
  constructor(facts: ErrorFacts, options?: ErrorOptions) {
    super({ stage: "relocate", ...facts }, options);
  }
}

/** An {@linkcode ObjectError} at the stage `open`. */
export function openError(
  subject: string,
  errno: string,
  why: string,
  more?: Pick<ErrorFacts, "fix" | "data">,
): ObjectError {
  return new ObjectError({ doing: "open", subject, errno, why, stage: "open", ...more });
}
