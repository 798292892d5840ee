/**
 * Iterates over a map's elements: reads them in chunks and decodes each on demand.
 *
 * @module
 */

import { disposedError } from "../../errors/disposed.ts";
import type { KernelError } from "../../errors/kernel_error.ts";
import type { RawChunk } from "./raw.ts";
import type { ValueCodec } from "./values.ts";

/** Part of each element that an iterator returns. */
export type ElementPart = "entries" | "keys" | "values";

/** Codecs that decode a map's chunks. */
export interface ElementCodecs {
  /** The map; closing it ends the iteration with an error. */
  readonly map: { readonly closed: boolean };
  /** The map's name in errors. */
  readonly name: string;
  /** Codec of keys. */
  readonly key: ValueCodec;
  /** Codec of values. */
  readonly value: ValueCodec;
  /** Distance in bytes from one key to the next. */
  readonly keySize: number;
  /** Distance in bytes from one value to the next. */
  readonly valueSize: number;
  /** Returns the error of unreadable values, with the reason. */
  readonly unreadable: (error: KernelError) => KernelError;
}

/**
 * Iterator over elements, with the helpers of `Iterator` (`map`, `filter`, `take`).
 *
 * Its buffers are freed at the end, or when a loop is left.
 *
 * @typeParam T The type that it returns.
 */
export class ElementIterator<T> extends Iterator<T, undefined, unknown> {
  readonly #chunks: Generator<RawChunk, void, undefined>;
  readonly #codecs: ElementCodecs;
  readonly #part: ElementPart;
  #index = 0;
  #count = 0;
  #keys: DataView = EMPTY;
  #values: DataView = EMPTY;

  /**
   * Creates an iterator; reads nothing until the first element is requested.
   *
   * @internal
   */
  constructor(
    chunks: Generator<RawChunk, void, undefined>,
    codecs: ElementCodecs,
    part: ElementPart,
  ) {
    super();
    this.#chunks = chunks;
    this.#codecs = codecs;
    this.#part = part;
  }

  /**
   * Returns the next element.
   *
   * @throws {SkepError} when the map was disposed.
   * @throws {KernelError} when the kernel refuses to read the map.
   */
  override next(): IteratorResult<T, undefined> {
    if (this.#index >= this.#count && !this.#advance()) return { done: true, value: undefined };
    return { done: false, value: this.#read(this.#index++) };
  }

  /** Ends the iteration and frees the buffers. Called when a loop is left. */
  override return(): IteratorResult<T, undefined> {
    this.#index = this.#count = 0;
    this.#chunks.return();
    return { done: true, value: undefined };
  }

  /** Ends the iteration and frees the buffers. */
  override [Symbol.dispose](): void {
    this.return();
  }

  /** Returns the elements of the next chunk, or undefined at the end. */
  nextPiece(): T[] | undefined {
    if (!this.#advance()) return undefined;
    const piece: T[] = [];
    while (this.#index < this.#count) piece.push(this.#read(this.#index++));
    return piece;
  }

  #read(index: number): T {
    const { map, key, value, keySize, valueSize } = this.#codecs;
    // Disposing the map frees the buffers that chunks are read into.
    if (map.closed) throw disposedError("read map", this.#codecs.name);
    const keyAt = index * keySize;
    const valueAt = index * valueSize;
    switch (this.#part) {
      case "entries":
        return [
          key.decode(this.#keys, keyAt, keyAt + keySize),
          value.decode(this.#values, valueAt, valueAt + valueSize),
        ] as T;
      case "keys":
        return key.decode(this.#keys, keyAt, keyAt + keySize) as T;
      case "values":
        return value.decode(this.#values, valueAt, valueAt + valueSize) as T;
    }
  }

  #advance(): boolean {
    const { done, value } = this.#chunks.next();
    if (done === true) return false;
    const { count, keys, values, unreadable } = value;
    if (unreadable !== undefined && this.#part !== "keys") {
      this.#chunks.return();
      throw this.#codecs.unreadable(unreadable);
    }
    if (this.#keys.buffer !== keys.buffer) {
      this.#keys = viewOf(keys);
      this.#values = viewOf(values);
    }
    this.#index = 0;
    this.#count = count;
    return true;
  }
}

/** Returns a `DataView` of the same bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const EMPTY: DataView = new DataView(new ArrayBuffer(0));
