/**
 * The types of an object's maps and variables, known to the compiler: what `skep types FILE` writes.
 *
 * @module
 */

import type { LiveMap } from "./map/live_map.ts";

/** What an object has, by name. */
export interface ObjectTypes {
  /** The maps: `KeyedMap<number, bigint>`, `RingBufferMap<Event>` and so on. */
  readonly maps: { readonly [name: string]: LiveMap };
  /** The global variables. */
  readonly variables: { readonly [name: string]: unknown };
}

/**
 * A name that is not among the known ones: any, where nothing is known of the object, else none.
 *
 * @typeParam Known The known names.
 */
export type OtherName<Known> = string extends Known ? string : never;

/**
 * A map whose name is not known: of an object without types each is as any other, of one with types it can
 * be of any kind.
 *
 * @typeParam Known The known maps by name.
 */
export type OtherMap<Known extends ObjectTypes["maps"]> = string extends keyof Known ? Known[string]
  : LiveMap;

/**
 * The maps of an object by name, each of the kind that it is known to be.
 *
 * @typeParam Known The known maps by name.
 */
export interface NamedMaps<Known extends ObjectTypes["maps"]> extends Iterable<OtherMap<Known>> {
  /** How many there are. */
  readonly size: number;
  /** The map of that name. Throws an error that names the nearest when there is none. */
  get<Name extends keyof Known & string>(name: Name): Known[Name];
  /** The map of that name; undefined when there is none. */
  find<Name extends keyof Known & string>(name: Name): Known[Name] | undefined;
  /** Whether there is a map of that name. */
  has(name: string): boolean;
  /** The names, in the object's order. */
  names(): string[];
}
