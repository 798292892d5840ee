/**
 * Maps whose elements have keys and can be listed.
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
 * A map whose elements have keys and can be listed: hashes, arrays, tries and others.
 *
 * @typeParam K The type of keys.
 * @typeParam V The type of values that are read.
 * @typeParam In The type of values that may be set.
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
   * Takes ownership of the parts' descriptor. Use `BpfObject.load`, `BpfMap.create` or `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
  }

  /**
   * Deletes a key and returns its value in one atomic step (BPF_MAP_LOOKUP_AND_DELETE_ELEM, for hash maps since
   * Linux 5.14). Returns undefined when the key does not exist.
   *
   * @throws {KernelError} when the map type or kernel has no such command.
   */
  take(key: K, options: GetOptions = {}): V | undefined {
    this.elements.putKey(key);
    return this.raw.lookupAndDelete(getFlags(options)) ? this.elements.value() as V : undefined;
  }

  /**
   * Iterates over all elements, read in chunks. An element that exists throughout the iteration is returned once;
   * one that is inserted or deleted meanwhile may or may not be returned. Arrays return every index.
   */
  entries(options: ChunkOptions = {}): ElementIterator<[K, V]> {
    return this.#list("entries", options);
  }

  /** Iterates over all keys, like {@linkcode entries}. */
  keys(options: ChunkOptions = {}): ElementIterator<K> {
    return this.#list("keys", options);
  }

  /** Iterates over all values, like {@linkcode entries}. */
  values(options: ChunkOptions = {}): ElementIterator<V> {
    return this.#list("values", options);
  }

  /** Iterates over all elements; same as {@linkcode entries} without options. */
  [Symbol.iterator](): ElementIterator<[K, V]> {
    return this.entries();
  }

  /**
   * Yields all elements in batches of about `size`, each read by one system call (Linux 5.6). Map types and kernels
   * without batch commands yield elements one by one.
   *
   * With `take`, elements are deleted as they are read: atomically with BPF_MAP_LOOKUP_AND_DELETE_BATCH, else by a
   * delete after the read; a write by a program in between is then lost.
   */
  *batches(options: ChunkOptions = {}): Generator<[K, V][], void, undefined> {
    using elements = this.#list<[K, V]>("entries", options);
    for (let piece = elements.nextPiece(); piece !== undefined; piece = elements.nextPiece()) {
      yield piece;
    }
  }

  /**
   * Sets many elements and returns their number. Uses batch updates where the map type and kernel have them.
   *
   * @throws {KernelError} with the index of the element that failed; the elements before it are set.
   */
  setAll(entries: Iterable<readonly [K, In]>, options: SetOptions = {}): number {
    const { keyCodec: key, valueCodec: value } = this.elements;
    return setMany(this.raw, [...entries], { key, value }, setFlags(options));
  }

  /** Deletes many keys and returns how many existed. Uses batch deletes where the map type and kernel have them. */
  deleteAll(keys: Iterable<K>): number {
    return deleteMany(this.raw, [...keys], this.elements.keyCodec, (key) => this.delete(key));
  }

  /**
   * Deletes all elements and returns how many existed.
   *
   * @throws {KernelError} EINVAL for arrays, whose elements cannot be deleted.
   */
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
