/**
 * A piece of a map, read by one system call, as JS values.
 *
 * @module
 */

import type { ValueCodec } from "./map_values.ts";

/** A piece of a map whose elements are decoded when they are asked for. */
export class DecodedChunk<K, V> {
  readonly #count: number;
  readonly #keys: DataView;
  readonly #keyCodec: ValueCodec;
  readonly #values: DataView;
  readonly #valueCodec: ValueCodec;
  readonly #sizes: { readonly key: number; readonly value: number };

  /** Decodes nothing yet; the buffers must stay as they are until it is done with. */
  constructor(
    count: number,
    keys: Uint8Array,
    keyCodec: ValueCodec,
    values: Uint8Array,
    valueCodec: ValueCodec,
    sizes: { readonly key: number; readonly value: number },
  ) {
    this.#count = count;
    this.#keys = viewOf(keys);
    this.#keyCodec = keyCodec;
    this.#values = viewOf(values);
    this.#valueCodec = valueCodec;
    this.#sizes = sizes;
  }

  /** The keys. */
  *keys(): Generator<K, void, undefined> {
    for (let i = 0; i < this.#count; i++) yield this.#key(i);
  }

  /** The values. */
  *values(): Generator<V, void, undefined> {
    for (let i = 0; i < this.#count; i++) yield this.#value(i);
  }

  /** Keys and values. */
  *entries(): Generator<[K, V], void, undefined> {
    for (let i = 0; i < this.#count; i++) yield [this.#key(i), this.#value(i)];
  }

  #key(index: number): K {
    const at = index * this.#sizes.key;
    return this.#keyCodec.decode(this.#keys, at, at + this.#sizes.key) as K;
  }

  #value(index: number): V {
    const at = index * this.#sizes.value;
    return this.#valueCodec.decode(this.#values, at, at + this.#sizes.value) as V;
  }
}

/** All of some bytes as a `DataView`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
