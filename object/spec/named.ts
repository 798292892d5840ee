/**
 * Things with names, in order: how an object's programs, maps and variables are held.
 *
 * @module
 */

import { ObjectError } from "./error.ts";
import type { Named } from "./spec.ts";

/** How many near names an error lists. */
const NEAREST = 3;
/** Up to so many names are all listed when none is near. */
const FEW = 8;

/**
 * An ordered list whose things are looked up by name.
 *
 * The first of two things with one name wins, as in libbpf.
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

  /** Holds `items`; `what` ("map", "program") and `owner` (the object's name) are for errors. */
  constructor(what: string, owner: string, items: readonly T[]) {
    this.#what = what;
    this.#owner = owner;
    this.#items = items;
  }

  /** How many there are. */
  get size(): number {
    return this.#items.length;
  }

  /** By name; throws an {@linkcode ObjectError} with the nearest names. */
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

  /** By name, or undefined. */
  find(name: string): T | undefined {
    if (this.#index === undefined) {
      this.#index = new Map();
      for (const item of this.#items) {
        if (!this.#index.has(item.name)) this.#index.set(item.name, item);
      }
    }
    return this.#index.get(name);
  }

  /** Whether there is one of the name. */
  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  /** All names in order. */
  names(): string[] {
    return this.#items.map((item) => item.name);
  }

  /** The things in order. */
  [Symbol.iterator](): Iterator<T> {
    return this.#items[Symbol.iterator]();
  }

  /** The things, for `JSON.stringify`. */
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
 * The names that a reader may have meant: at most three, nearest first, by edit distance and common
 * beginnings; names with nothing in common are left out.
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

/** Insertions, deletions and replacements that lead from one text to the other. */
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
