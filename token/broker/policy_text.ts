/**
 * JSON with comments in which no key of an object stands twice.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";

/**
 * Reads JSON with comments and trailing commas.
 *
 * Of two equal keys JSON's readers take the last one, so that who reads the file sees one thing and the program
 * another: that is refused.
 *
 * @throws {SyntaxError} For what is no JSON, and for a key that stands twice, with its place.
 */
export async function parsePolicyText(text: string): Promise<JsonValue> {
  // Not at the top: who loads an object reads no policy, and should not wait for this package.
  const { parse } = await import("@std/jsonc");
  const value: JsonValue = parse(text);
  const twice = duplicateKey(text);
  if (twice === undefined) return value;
  const line = text.slice(0, twice.position).split("\n").length;
  throw new SyntaxError(`${twice.where}"${twice.key}" stands twice (line ${line})`);
}

/** A key that its object has already. */
export interface DuplicateKey {
  /** The key. */
  readonly key: string;
  /** The objects that lead to it, as `rules[0].who.`. */
  readonly where: string;
  /** Where it stands the second time: index into the text. */
  readonly position: number;
}

interface Level {
  /** The keys of an object; undefined for a list. */
  readonly keys: Set<string> | undefined;
  /** The key or the index of the value that is being read. */
  at: string | number;
}

/** Strings, comments, and everything else character by character. */
const PIECES = /"(?:[^"\\]|\\[^])*"|\/\/[^\n\r]*|\/\*[^]*?\*\/|[^\s]/g;

/** The first key that stands twice in an object of a text that is known to be JSON with comments. */
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
