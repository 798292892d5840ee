/**
 * Arguments that a call uses up.
 *
 * @module
 */

/** Marks a function that makes an argument anew for each call. */
export const FRESH: unique symbol = Symbol("fresh");

/** The argument, made if it is one of those. */
export function fresh(value: unknown): unknown {
  return typeof value === "function" && Reflect.get(value, FRESH) === true
    ? (value as () => unknown)()
    : value;
}
