/**
 * Errno by name. System calls return zero or more, or `-errno`: `-Errno.EPERM`. Errors carry the name.
 *
 * @module
 */

import { Errno } from "./errno_numbers.ts";

export { Errno };

/** A name of {@linkcode Errno}. */
export type ErrnoName = keyof typeof Errno;

/** A number of {@linkcode Errno}. */
export type ErrnoNumber = typeof Errno[ErrnoName];

const names: (ErrnoName | undefined)[] = [];
for (const name of Object.keys(Errno) as ErrnoName[]) names[Errno[name]] = name;

/**
 * Returns the name of an errno of either sign: `1` and `-1` are both `"EPERM"`.
 *
 * A number without a name becomes `"E<number>"`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { errnoName } from "@skep/skep/kernel";
 *
 * assertEquals(errnoName(-1), "EPERM");
 * assertEquals(errnoName(524), "ENOTSUPP");
 * ```
 */
export function errnoName(number: number): string {
  const positive = number < 0 ? -number : number;
  return names[positive] ?? `E${positive}`;
}

/**
 * Returns whether a call failed with one of up to three errnos.
 *
 * @param result A system call's result: zero or more, or `-errno`; an object or undefined counts as
 * success.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { Errno, failed } from "@skep/skep/kernel";
 *
 * const result = -17;
 * assert(failed(result, Errno.EEXIST));
 * assert(!failed(result, Errno.EPERM, Errno.EACCES));
 * ```
 */
export function failed(
  result: number | object | undefined,
  errno: ErrnoNumber,
  second?: ErrnoNumber,
  third?: ErrnoNumber,
): boolean {
  return result === -errno || (second !== undefined && result === -second) ||
    (third !== undefined && result === -third);
}
