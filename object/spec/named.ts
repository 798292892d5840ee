/**
 * Ordered collections of an object's named programs, maps and variables.
 *
 * @module
 */

import { ObjectError } from "./error.ts";
import type { Named } from "./spec.ts";

/** Number of near names that an error lists. */
const NEAREST = 3;
/** Number of names up to which an error lists all of them when none is near. */
const FEW = 8;

/**
 * An ordered list with lookup by name.
 *
 * Of items with the same name, lookup returns the first, as in libbpf.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { NamedList } from "@skep/skep/object";
 *
 * const maps = new NamedList("map", "x.bpf.o", [{ name: "events" }, { name: "counts" }]);
 * assertEquals(maps.get("events"), { name: "events" });
 * assertThrows(() => maps.get("event"), Error, "near it: events");
 * ```
 */
export class NamedList<T extends { readonly name: string }> implements Named<T> {
  readonly #what: string;
  readonly #owner: string;
  readonly #items: readonly T[];
  #index: Map<string, T> | undefined;

  /** Creates the list of `items`. Errors name `what` ("map", "program") and `owner` (the object's name). */
  constructor(what: string, owner: string, items: readonly T[]) {
    this.#what = what;
    this.#owner = owner;
    this.#items = items;
  }

  /** Number of items. */
  get size(): number {
    return this.#items.length;
  }

  /**
   * Returns an item by name.
   *
   * @throws {ObjectError} ENOENT with the nearest names.
   */
  get(name: string): T {
    const item = this.find(name);
    if (item !== undefined) return item;
    throw new ObjectError({
      doing: `find ${this.#what}`,
      subject: `${name} in ${this.#owner}`,
      errno: "ENOENT",
      stage: "usage",
      ...absent(this.#what, nearestNames(name, this.names()), this.names()),
    });
  }

  /** Returns an item by name, or undefined. */
  find(name: string): T | undefined {
    if (this.#index === undefined) {
      this.#index = new Map();
      for (const item of this.#items) {
        if (!this.#index.has(item.name)) this.#index.set(item.name, item);
      }
    }
    return this.#index.get(name);
  }

  /** Returns whether there is an item of the name. */
  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  /** Returns all names in order. */
  names(): string[] {
    return this.#items.map((item) => item.name);
  }

  /** Iterates over the items in order. */
  [Symbol.iterator](): Iterator<T> {
    return this.#items[Symbol.iterator]();
  }

  /** Returns the items for `JSON.stringify`. */
  toJSON(): readonly T[] {
    return this.#items;
  }
}

function absent(
  what: string,
  near: readonly string[],
  names: readonly string[],
): { why: string; data: { near: readonly string[] } } {
  const why = names.length === 0
    ? `the object has no ${what}s`
    : near.length === 0
    ? `there is no ${what} of this name${names.length <= FEW ? `, only ${names.join(", ")}` : ""}`
    : `there is no ${what} of this name; near it: ${near.join(", ")}`;
  return { why, data: { near } };
}

/**
 * Returns at most three names nearest to a mistyped one, nearest first: names that contain it or are
 * contained in it, then by edit distance. Dissimilar names are left out.
 */
export function nearestNames(name: string, names: readonly string[]): string[] {
  const wanted = name.toLowerCase().slice(0, 64);
  return [...new Set(names)]
    .map((candidate) => {
      const text = candidate.toLowerCase().slice(0, 64);
      const within = wanted.length > 0 && (text.includes(wanted) || wanted.includes(text));
      return { candidate, distance: within ? 0.5 : editDistance(wanted, text) };
    })
    .filter(({ candidate, distance }) =>
      distance <= Math.max(2, Math.floor(Math.max(wanted.length, candidate.length) / 2))
    )
    .sort((a, b) => a.distance - b.distance)
    .slice(0, NEAREST)
    .map(({ candidate }) => candidate);
}

/** Returns the Levenshtein distance of two texts. */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1] ? 0 : 1;
      current.push(Math.min(
        (previous[column] as number) + 1,
        (current[column - 1] as number) + 1,
        (previous[column - 1] as number) + same,
      ));
    }
    previous = current;
  }
  return previous[to.length] as number;
}
