/**
 * JSON of what is not JSON: 64-bit numbers, bytes, errors.
 *
 * @module
 */

import { safeJson } from "../errors/escape.ts";

/**
 * `JSON.stringify` for facts and events. A bigint becomes a number where that loses nothing, else its
 * decimal text; a float that is no number becomes its name (`"NaN"`); bytes become an array of numbers; everything with `toJSON()` is asked. What a
 * terminal would act upon is escaped.
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
  // Undefined for what has no JSON, as JSON.stringify() has it.
  return json === undefined ? json : safeJson(json);
}
