/**
 * JSON for 64-bit numbers, bytes and errors.
 *
 * @module
 */

import { safeJson } from "../errors/escape.ts";

/**
 * Encodes facts and events as `JSON.stringify` does.
 *
 * A bigint becomes a number if that is exact, else a decimal string; NaN and infinities become
 * their names; bytes become an array of numbers; `toJSON()` is called. Terminal control characters
 * are escaped.
 */
export function stringify(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member === "bigint") {
      const number = Number(member);
      return Number.isSafeInteger(number) ? number : String(member);
    }
    if (typeof member === "number" && !Number.isFinite(member)) return String(member);
    if (ArrayBuffer.isView(member) && !(member instanceof DataView)) {
      return Array.from(member as unknown as ArrayLike<number>);
    }
    if (member instanceof Map) return Object.fromEntries(member);
    return member;
  }, indent);
  // Undefined for values without JSON, as JSON.stringify() returns.
  return json === undefined ? json : safeJson(json);
}
