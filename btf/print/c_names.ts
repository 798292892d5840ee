/**
 * Names for C: what an identifier may be, and one name for one thing.
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

/** The name with everything that no C identifier may have replaced. */
export function identifier(name: string): string {
  const clean = name.replace(/[^A-Za-z0-9_$]/g, "_");
  return /^[0-9]/.test(clean) ? `_${clean}` : clean;
}

/** One name space of C: a second thing of the same name becomes `name___2`. */
export class NameSpace {
  readonly #uses: Map<string, number> = new Map();

  /** A name that nothing else has; the same name is given the first time. */
  claim(name: string): string {
    const clean = identifier(name);
    const uses = (this.#uses.get(clean) ?? 0) + 1;
    this.#uses.set(clean, uses);
    return uses === 1 ? clean : this.claim(`${clean}___${uses}`);
  }
}
