/**
 * Errno by name. A system call's result is zero or more, or `-errno`: `-Errno.EPERM`. Errors carry the name.
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
 * The name of an errno, whichever its sign: `1` and `-1` are both `"EPERM"`.
 *
 * A number that has no name gives `"E<number>"`, so that a message never lacks it.
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
 * Whether a call failed with an errno, or with one of several.
 *
 * @param result What a system call answered: zero or more, or `-errno`; what else a function answers has not failed.
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
