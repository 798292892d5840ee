/**
 * The types of an object's maps and variables, known to the compiler: what `skep types FILE` writes.
 *
 * @module
 */

/** The types of one map. */
export interface MapTypes {
  /** Its keys; `never` for a map without keys. */
  readonly key: unknown;
  /** Its values. */
  readonly value: unknown;
  /** The records of a ring or perf buffer; `never` for others. */
  readonly event: unknown;
}

/** What an object has, by name. */
export interface ObjectTypes {
  /** The maps. */
  readonly maps: { readonly [name: string]: MapTypes };
  /** The global variables. */
  readonly variables: { readonly [name: string]: unknown };
}

/**
 * A name that is not among the known ones: any, where nothing is known of the object, else none.
 *
 * @typeParam Known The known names.
 */
export type OtherName<Known> = string extends Known ? string : never;
