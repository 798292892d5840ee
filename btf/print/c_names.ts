/**
 * Names of printed types: built-in names of C, and unique names per name space.
 *
 * @module
 */

/** Matches C's integer types, which consist of these words. */
const INTEGER = /^(?:(?:char|short|int|long|unsigned|signed|_Bool|__int128)(?: |$))+$/;
const FLOATS = new Set(["float", "double", "long double", "_Float16", "__fp16", "__bf16"]);

/** Returns whether C has a built-in type with that name. */
export function isBuiltIn(name: string): boolean {
  return INTEGER.test(name) || FLOATS.has(name);
}

/** A name space of a language: a second claim of a name becomes `name___2`. */
export class NameSpace {
  readonly #uses: Map<string, number> = new Map();
  readonly #identifier: (name: string) => string;

  /** `identifier` turns any text into an identifier of the language; `taken` are names in use. */
  constructor(identifier: (name: string) => string, taken: readonly string[] = []) {
    this.#identifier = identifier;
    for (const name of taken) this.#uses.set(name, 1);
  }

  /** Returns a unique name: `name` itself for the first claim. */
  claim(name: string): string {
    const clean = this.#identifier(name);
    const uses = (this.#uses.get(clean) ?? 0) + 1;
    this.#uses.set(clean, uses);
    return uses === 1 ? clean : this.claim(`${clean}___${uses}`);
  }
}
