/**
 * Values of variables and events, from the command line and in table cells.
 *
 * @module
 */

import { stringify } from "./json.ts";
import { UsageError } from "./options.ts";

/**
 * Parses `NAME=VALUE`. The value is JSON if valid (`7`, `true`, `[1,2]`), a hexadecimal number, or
 * else text. Integers beyond the safe range become bigint.
 */
export function parseVariable(
  assignment: string,
): { readonly name: string; readonly value: unknown; readonly text: string } {
  const at = assignment.indexOf("=");
  if (at <= 0) {
    const lack = at === 0 ? "name" : "value";
    throw new UsageError(
      "skep run",
      `--var ${assignment} has no ${lack}`,
      "write --var NAME=VALUE",
    );
  }
  const text = assignment.slice(at + 1);
  return { name: assignment.slice(0, at), value: parseValue(text), text };
}

function parseValue(text: string): unknown {
  if (/^[+-]?(?:\d+|0x[0-9a-f]+)$/i.test(text)) {
    const unsigned = BigInt(text.replace(/^[+-]/, ""));
    const value = text.startsWith("-") ? -unsigned : unsigned;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Formats a value for a table cell: text unchanged, bytes in hexadecimal, others as JSON. */
export function cell(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "boolean") {
    return String(value);
  }
  if (value instanceof Uint8Array) return value.toHex();
  return stringify(value);
}
