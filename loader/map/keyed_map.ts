/**
 * Maps whose elements are reached by a key and can be listed.
 *
 * @module
 */

import type { KernelError } from "../../errors/kernel_error.ts";
import { deleteMany, setMany } from "./bulk.ts";
import { ElementMap } from "./element_map.ts";
import { ElementIterator, type ElementPart } from "./iterator.ts";
import { unreadable } from "./refused.ts";
import { getFlags, type GetOptions, setFlags, type SetOptions } from "./options.ts";
import type { MapParts } from "./parts.ts";
import type { ChunkOptions } from "./raw.ts";

/**
 * A map of elements by key: hashes, arrays, tries and their kin.
 *
 * @typeParam K The key.
 * @typeParam V The value.
 * @typeParam In What may be set as a value.
 * @example
 * ```ts ignore
 * import { BpfMap } from "@skep/skep";
 *
 * using seen = BpfMap.create<number, bigint>({
 *   type: "hash",
 *   keySize: 4,
 *   valueSize: 8,
 *   maxEntries: 1000,
 * });
 * seen.set(7, 1n);
 * for (const [key, value] of seen) console.log(key, value);
 * ```
 */
export class KeyedMap<K, V, In = V> extends ElementMap<K, V, In> implements Iterable<[K, V]> {
  /**
   * Takes over the parts' descriptor. Maps are made by `BpfObject.load`, `BpfMap.create` and `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
  }

  /** The value of a key, which is deleted with it; undefined when there is none (hash maps from Linux 5.14). */
  take(key: K, options: GetOptions = {}): V | undefined {
    this.elements.putKey(key);
    return this.raw.lookupAndDelete(getFlags(options)) ? this.elements.value() as V : undefined;
  }

  /**
   * All elements, read in pieces. Deletes and inserts meanwhile do no harm: what is there all the time is
   * seen once. In a map whose elements are always there (an array), all come.
   */
  entries(options: ChunkOptions = {}): ElementIterator<[K, V]> {
    return this.#list("entries", options);
  }

  /** All keys, as {@linkcode entries}. */
  keys(options: ChunkOptions = {}): ElementIterator<K> {
    return this.#list("keys", options);
  }

  /** All values, as {@linkcode entries}. */
  values(options: ChunkOptions = {}): ElementIterator<V> {
    return this.#list("values", options);
  }

  /** All elements, as {@linkcode entries}. */
  [Symbol.iterator](): ElementIterator<[K, V]> {
    return this.entries();
  }

  /**
   * All elements in pieces of about `size`, each read by one system call. With `take`, elements are deleted
   * as they are read: in one step where the map type has BPF_MAP_LOOKUP_AND_DELETE_BATCH, else by a delete
   * after the read, between which a program can still change the value.
   */
  *batches(options: ChunkOptions = {}): Generator<[K, V][], void, undefined> {
    using elements = this.#list<[K, V]>("entries", options);
    for (let piece = elements.nextPiece(); piece !== undefined; piece = elements.nextPiece()) {
      yield piece;
    }
  }

  /** Sets many elements, by batch where the map type has it; returns how many. */
  setAll(entries: Iterable<readonly [K, In]>, options: SetOptions = {}): number {
    const { keyCodec: key, valueCodec: value } = this.elements;
    return setMany(this.raw, [...entries], { key, value }, setFlags(options));
  }

  /** Deletes many keys, by batch where the map type has it; returns how many there were. */
  deleteAll(keys: Iterable<K>): number {
    return deleteMany(this.raw, [...keys], this.elements.keyCodec, (key) => this.delete(key));
  }

  /** Deletes everything; returns how many there were. Arrays have nothing that can be deleted: EINVAL. */
  clear(): number {
    return this.deleteAll(this.keys());
  }

  #list<T>(part: ElementPart, options: ChunkOptions): ElementIterator<T> {
    const { keyCodec: key, valueCodec: value } = this.elements;
    return new ElementIterator<T>(this.raw.chunks(options), {
      map: this.raw,
      name: this.subject,
      key,
      value,
      keySize: this.keySize,
      valueSize: this.raw.valueSize,
      unreadable: (error: KernelError) => unreadable(error, this.parts.type),
    }, part);
  }
}
