/**
 * TypeScript types of an object's maps and variables, as `skep types FILE` generates them.
 *
 * @module
 */

import type { LiveMap } from "./map/live_map.ts";

/** Types of an object's maps and variables, by name. */
export interface ObjectTypes {
  /** Types of maps: `KeyedMap<number, bigint>`, `RingBufferMap<Event>` and so on. */
  readonly maps: { readonly [name: string]: LiveMap };
  /** Types of global variables. */
  readonly variables: { readonly [name: string]: unknown };
}

/**
 * A name outside the known ones: `string` for an object without generated types, else `never`.
 *
 * @typeParam Known The known names.
 */
export type OtherName<Known> = string extends Known ? string : never;

/**
 * Type of a map when its name is not known at compile time: the common map type of an object without generated
 * types, else {@linkcode LiveMap}.
 *
 * @typeParam Known The known maps by name.
 */
export type OtherMap<Known extends ObjectTypes["maps"]> = string extends keyof Known ? Known[string]
  : LiveMap;

/**
 * Maps of an object by name, each with its known type.
 *
 * @typeParam Known The known maps by name.
 */
export interface NamedMaps<Known extends ObjectTypes["maps"]> extends Iterable<OtherMap<Known>> {
  /** Number of maps. */
  readonly size: number;
  /**
   * Returns the map of a name.
   *
   * @throws {SkepError} ENOENT when there is none; the error lists similar names.
   */
  get<Name extends keyof Known & string>(name: Name): Known[Name];
  /** Returns the map of a name, or undefined when there is none. */
  find<Name extends keyof Known & string>(name: Name): Known[Name] | undefined;
  /** Returns whether there is a map of a name. */
  has(name: string): boolean;
  /** Returns the names of all maps, in the object's order. */
  names(): string[];
}
