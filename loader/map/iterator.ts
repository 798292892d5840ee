/**
 * Goes through a map's elements: read in pieces by the kernel, decoded one by one as they are asked for.
 *
 * @module
 */

import { disposedError } from "../../errors/disposed.ts";
import type { KernelError } from "../../errors/kernel_error.ts";
import type { RawChunk } from "./raw.ts";
import type { ValueCodec } from "./values.ts";

/** Which part of each element comes out. */
export type ElementPart = "entries" | "keys" | "values";

/** How a map's bytes become keys and values. */
export interface ElementCodecs {
  /** The map, whose end ends the iteration. */
  readonly map: { readonly closed: boolean };
  /** What the map is called in errors. */
  readonly name: string;
  /** Keys. */
  readonly key: ValueCodec;
  /** Values. */
  readonly value: ValueCodec;
  /** Bytes from one key to the next. */
  readonly keySize: number;
  /** Bytes from one value to the next. */
  readonly valueSize: number;
  /** Says why values cannot be read. */
  readonly unreadable: (error: KernelError) => KernelError;
}

/**
 * An iterator over elements, with the helpers of `Iterator` (`map`, `filter`, `take`).
 *
 * The room that the kernel reads into is given back at the end, or when a loop is left.
 *
 * @typeParam T What comes out.
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
   * Reads nothing yet.
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

  /** The next one. */
  override next(): IteratorResult<T, undefined> {
    if (this.#index >= this.#count && !this.#advance()) return { done: true, value: undefined };
    return { done: false, value: this.#read(this.#index++) };
  }

  /** Gives the room back: called when a loop is left. */
  override return(): IteratorResult<T, undefined> {
    this.#index = this.#count = 0;
    this.#chunks.return();
    return { done: true, value: undefined };
  }

  /** The same, for `using`. */
  override [Symbol.dispose](): void {
    this.return();
  }

  /** All that the kernel gives in one piece; undefined at the end. */
  nextPiece(): T[] | undefined {
    if (!this.#advance()) return undefined;
    const piece: T[] = [];
    while (this.#index < this.#count) piece.push(this.#read(this.#index++));
    return piece;
  }

  #read(index: number): T {
    const { map, key, value, keySize, valueSize } = this.#codecs;
    // The room that the kernel read into is gone with the map.
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

/** All of some bytes as a `DataView`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const EMPTY: DataView = new DataView(new ArrayBuffer(0));
