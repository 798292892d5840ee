/**
 * Parses JSON with comments, and refuses duplicate keys.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";

/**
 * Parses JSON with comments and trailing commas.
 *
 * JSON parsers use the last of two equal keys, so a reader of the file could be misled; duplicates
 * are refused.
 *
 * @throws {SyntaxError} when it is not JSON, or a key is duplicate, with its place.
 */
export async function parsePolicyText(text: string): Promise<JsonValue> {
  // Imported lazily: loading an object reads no policy and should not load this package.
  const { parse } = await import("@std/jsonc");
  const value: JsonValue = parse(text);
  const twice = duplicateKey(text);
  if (twice === undefined) return value;
  const line = text.slice(0, twice.position).split("\n").length;
  throw new SyntaxError(`${twice.where}"${twice.key}" stands twice (line ${line})`);
}

/** A duplicate key. */
export interface DuplicateKey {
  /** The key. */
  readonly key: string;
  /** The path of its object, such as `rules[0].who.`. */
  readonly where: string;
  /** Index of the second occurrence in the text. */
  readonly position: number;
}

interface Level {
  /** The keys of an object; undefined for a list. */
  readonly keys: Set<string> | undefined;
  /** The key or index of the current value. */
  at: string | number;
}

/** Strings, comments, and all other characters one by one. */
const PIECES = /"(?:[^"\\]|\\[^])*"|\/\/[^\n\r]*|\/\*[^]*?\*\/|[^\s]/g;

/** Returns the first duplicate key in a text that is known to be JSON with comments. */
export function duplicateKey(text: string): DuplicateKey | undefined {
  const levels: Level[] = [];
  let string: { readonly text: string; readonly position: number } | undefined;
  for (const { 0: piece, index } of text.matchAll(PIECES)) {
    const level = levels.at(-1);
    switch (piece[0]) {
      case '"':
        string = { text: piece, position: index };
        continue;
      case "/":
        // A comment between a key and its colon.
        continue;
      case "{":
        levels.push({ keys: new Set(), at: "" });
        break;
      case "[":
        levels.push({ keys: undefined, at: 0 });
        break;
      case "}":
      case "]":
        levels.pop();
        break;
      case ",":
        if (level !== undefined && typeof level.at === "number") level.at++;
        break;
      case ":": {
        if (string === undefined || level?.keys === undefined) break;
        const key: unknown = JSON.parse(string.text);
        if (typeof key !== "string") break;
        if (level.keys.has(key)) {
          return { key, where: pathOf(levels.slice(0, -1)), position: string.position };
        }
        level.keys.add(key);
        level.at = key;
      }
    }
    string = undefined;
  }
  return undefined;
}

function pathOf(levels: readonly Level[]): string {
  const path = levels.map(({ at }) => typeof at === "number" ? `[${at}]` : `.${at}`).join("");
  return path === "" ? "" : `${path.slice(1)}.`;
}
