/**
 * Names of types: which C has already, and one name for one thing.
 *
 * @module
 */

/** C's own integer types are made of these words. */
const INTEGER = /^(?:(?:char|short|int|long|unsigned|signed|_Bool|__int128)(?: |$))+$/;
const FLOATS = new Set(["float", "double", "long double", "_Float16", "__fp16", "__bf16"]);

/** Whether C has a type of that name already. */
export function isBuiltIn(name: string): boolean {
  return INTEGER.test(name) || FLOATS.has(name);
}

/** One name space of a language: a second thing of the same name becomes `name___2`. */
export class NameSpace {
  readonly #uses: Map<string, number> = new Map();
  readonly #identifier: (name: string) => string;

  /** `identifier` makes an identifier of the language of any text; `taken` are names that are in use. */
  constructor(identifier: (name: string) => string, taken: readonly string[] = []) {
    this.#identifier = identifier;
    for (const name of taken) this.#uses.set(name, 1);
  }

  /** A name that nothing else has; the same name is given the first time. */
  claim(name: string): string {
    const clean = this.#identifier(name);
    const uses = (this.#uses.get(clean) ?? 0) + 1;
    this.#uses.set(clean, uses);
    return uses === 1 ? clean : this.claim(`${clean}___${uses}`);
  }
}
