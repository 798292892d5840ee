/**
 * Removes undefined members from objects that users see as data.
 *
 * @module
 */

/** `T` whose members are present or omitted, never undefined. */
export type Defined<T> = string extends keyof T ? { [key: string]: Exclude<T[keyof T], undefined> }
  :
    & { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
    & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/**
 * Returns an object's own members without those that are undefined, in the same order.
 *
 * Used for the results of `toJSON()`, the `data` of errors, and environments, where an undefined member
 * would differ from an omitted one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { withoutUndefined } from "@skep/skep/errors";
 *
 * const fix: string | undefined = undefined;
 * assertEquals(withoutUndefined({ why: "it is empty", fix }), { why: "it is empty" });
 * ```
 */
export function withoutUndefined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}
