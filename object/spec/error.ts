/**
 * Errors of compiled objects and of edits of their specs.
 *
 * @module
 */

import { type ErrorFacts, SkepError } from "../../errors/skep_error.ts";

/**
 * Thrown for an object, or a part of one, that is invalid or unsupported, and for invalid edits of a spec.
 *
 * `errno` is the errno with which libbpf fails in the same case, `stage` the step in which it does.
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
  /** Name of the class, preserved by minification. */
  override readonly name: string = "ObjectError";
}

/**
 * Thrown when a program of a parsed object cannot be relocated, for example for a reference with an invalid
 * target.
 */
export class RelocationError extends ObjectError {
  /** Name of the class, preserved by minification. */
  override readonly name: string = "RelocationError";

  /** Creates the error. The stage is `relocate` unless the facts name another. */
  constructor(facts: ErrorFacts, options?: ErrorOptions) {
    super({ stage: "relocate", ...facts }, options);
  }
}

/** Creates an {@linkcode ObjectError} of stage `open`. */
export function openError(
  subject: string,
  errno: string,
  why: string,
  more?: Pick<ErrorFacts, "fix" | "data">,
): ObjectError {
  return new ObjectError({ doing: "open", subject, errno, why, stage: "open", ...more });
}
