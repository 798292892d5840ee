/**
 * Objects that users see as data have no members that are undefined.
 *
 * @module
 */

/** `T` whose members are present or left out, never undefined. */
export type Defined<T> = string extends keyof T ? { [key: string]: Exclude<T[keyof T], undefined> }
  :
    & { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
    & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/**
 * An object's own members but for those that are undefined, in their order.
 *
 * For what `toJSON()` gives, what errors carry as `data`, and environments: there a member that is
 * undefined would differ from one that is left out.
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
