/**
 * A map's elements as bytes: every element command and flag, without types.
 *
 * @module
 */

import { disposedError } from "../../errors/disposed.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { wholeNumber } from "../../kernel/arguments.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import type { Kernel, MapBatch, MapElements } from "../../kernel/kernel.ts";
import { SkepError } from "../../errors/skep_error.ts";

/** Elements that a batch moves at once unless told. */
export const BATCH: number = 4096;
/** Bytes of keys and values that a batch takes at most unless told. */
const BATCH_BYTES = 1 << 20;

/** What the commands need to know of a map. */
export interface RawShape {
  /** For messages. */
  readonly name: string;
  /** Bytes. */
  readonly keySize: number;
  /** Bytes that one value takes when it is moved: for per-CPU maps those of all CPUs. */
  readonly transferSize: number;
  /** Most elements. */
  readonly maxEntries: number;
  /** Whether a batch starts anew when the key that it stands on goes away, as tries do. */
  readonly restarts?: boolean | undefined;
}

/** A piece of a map, read by one system call. */
export interface RawChunk {
  /** Elements in it. */
  readonly count: number;
  /** The keys, one after the other; overwritten by the next piece. */
  readonly keys: Uint8Array<ArrayBuffer>;
  /** The values, one after the other; overwritten by the next piece. */
  readonly values: Uint8Array<ArrayBuffer>;
  /** Why the values are zeroes: a type of map whose values cannot be read gives its keys alone. */
  readonly unreadable?: KernelError | undefined;
}

/** How a map is read piece by piece. */
export interface ChunkOptions {
  /** Elements in a piece, about; more when the kernel has more in one bucket of a hash. */
  readonly size?: number | undefined;
  /** BPF_F_LOCK (4) takes each value's spin lock. */
  readonly flags?: number | undefined;
  /** Deletes what it reads, in one step for each element (hash maps, Linux 5.6). */
  readonly take?: boolean | undefined;
}

/**
 * A map's elements as bytes.
 *
 * Values of per-CPU maps are those of all possible CPUs, each rounded up to eight bytes.
 *
 * @example
 * ```ts ignore
 * const counts = object.maps.get("counts").raw;
 * counts.set(new Uint8Array([1, 0, 0, 0]), new Uint8Array(8));
 * console.log(counts.get(new Uint8Array([1, 0, 0, 0])));
 * ```
 */
export class RawMap implements Disposable {
  readonly #kernel: Kernel;
  readonly #fd: () => number;
  readonly #shape: RawShape;
  #elements: MapElements | undefined;
  #closed = false;

  /**
   * Works on the map behind `fd`, which stays its owner's.
   *
   * @internal
   */
  constructor(kernel: Kernel, fd: () => number, shape: RawShape) {
    this.#kernel = kernel;
    this.#fd = fd;
    this.#shape = shape;
  }

  /** Whether its map was disposed of: every call is refused then. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes of a key. */
  get keySize(): number {
    return this.#shape.keySize;
  }

  /** Bytes of a value as it is moved. */
  get valueSize(): number {
    return this.#shape.transferSize;
  }

  /** The buffers of one element and the commands on them: what all other methods use, for loops that allocate nothing. */
  get elements(): MapElements {
    if (this.#elements === undefined) {
      this.#checkOpen("use the elements of");
      const { keySize, transferSize } = this.#shape;
      this.#elements = this.#kernel.mapElements(this.#fd(), keySize, transferSize);
    }
    return this.#elements;
  }

  /** The value of a key, a copy; undefined when there is none. */
  get(key: Uint8Array, flags: number = 0): Uint8Array<ArrayBuffer> | undefined {
    this.#put("key", key);
    return this.lookup(flags) ? this.elements.value.slice() : undefined;
  }

  /** Sets a key's value. `flags`: 0 always, 1 (BPF_NOEXIST) only new, 2 (BPF_EXIST) only existing, 4 (BPF_F_LOCK). */
  set(key: Uint8Array, value: Uint8Array, flags: number = 0): void {
    this.#put("key", key);
    this.#put("value", value);
    this.update(flags);
  }

  /** Deletes a key; false when there is none. */
  delete(key: Uint8Array): boolean {
    this.#put("key", key);
    return this.remove();
  }

  /** The value of a key, which is deleted with it; undefined when there is none. */
  take(key: Uint8Array, flags: number = 0): Uint8Array<ArrayBuffer> | undefined {
    this.#put("key", key);
    return this.lookupAndDelete(flags) ? this.elements.value.slice() : undefined;
  }

  /** BPF_MAP_LOOKUP_ELEM on the element buffers; false when there is no such key. */
  lookup(flags: number = 0): boolean {
    return this.#found(this.elements.lookup(flags), "look up in", "BPF_MAP_LOOKUP_ELEM");
  }

  /** BPF_MAP_LOOKUP_AND_DELETE_ELEM on the element buffers. */
  lookupAndDelete(flags: number = 0): boolean {
    return this.#found(
      this.elements.lookupAndDelete(flags),
      "take from",
      "BPF_MAP_LOOKUP_AND_DELETE_ELEM",
    );
  }

  /** BPF_MAP_UPDATE_ELEM with the element buffers. */
  update(flags: number = 0): void {
    const result = this.elements.update(flags);
    if (result < 0) throw this.failure(result, "set an element of", "BPF_MAP_UPDATE_ELEM");
  }

  /** BPF_MAP_DELETE_ELEM with the key buffer; false when there is no such key. */
  remove(): boolean {
    return this.#found(this.elements.delete(), "delete from", "BPF_MAP_DELETE_ELEM");
  }

  /**
   * All elements in pieces, by batch look-up where the map type has it, else key by key.
   *
   * Elements that are deleted meanwhile do no harm; one that is there all the time is seen once.
   */
  *chunks(options: ChunkOptions = {}): Generator<RawChunk, void, undefined> {
    const perElement = Math.max(1, this.keySize + this.valueSize);
    const fits = Math.min(BATCH, this.#shape.maxEntries, Math.floor(BATCH_BYTES / perElement));
    const size = wholeNumber(options.size ?? Math.max(1, fits), "the size of a piece", 1);
    let batch = this.batch(size);
    try {
      const seen = this.#shape.restarts === true ? new Set<string>() : undefined;
      for (let first = true;; first = false) {
        this.#checkOpen("read");
        const result = options.take === true
          ? batch.lookupAndDelete(options.flags)
          : batch.lookup(options.flags);
        if (failed(result, Errno.ENOSPC)) {
          // One bucket has more elements than there is room for: on from there with more room.
          batch = this.#larger(batch);
          continue;
        }
        if (result < 0 && !failed(result, Errno.ENOENT)) {
          if (first && UNSUPPORTED.has(-result)) return yield* this.#oneByOne(options);
          throw this.failure(result, "read a batch of", "BPF_MAP_LOOKUP_BATCH");
        }
        const count = seen === undefined ? batch.count : this.#unseen(batch, seen);
        if (count > 0) yield { count, keys: batch.keys, values: batch.values };
        if (failed(result, Errno.ENOENT) || batch.count === 0) return;
      }
    } finally {
      batch[Symbol.dispose]();
    }
  }

  #larger(batch: MapBatch): MapBatch {
    const larger = this.batch(batch.capacity * 2);
    larger.resume(batch);
    batch[Symbol.dispose]();
    return larger;
  }

  /** Moves the elements that were not seen before to the front of a batch; answers how many. */
  #unseen({ count, keys, values }: MapBatch, seen: Set<string>): number {
    const { keySize, valueSize } = this;
    let kept = 0;
    for (let index = 0; index < count; index++) {
      const at = index * keySize;
      const mark = String.fromCharCode(...keys.subarray(at, at + keySize));
      if (seen.has(mark)) continue;
      seen.add(mark);
      if (kept !== index) {
        keys.copyWithin(kept * keySize, at, at + keySize);
        values.copyWithin(kept * valueSize, index * valueSize, (index + 1) * valueSize);
      }
      kept++;
    }
    return kept;
  }

  /** The keys one by one, each with its value. A key that goes away under the cursor starts anew, so those seen are kept. */
  *#oneByOne({ flags = 0, take = false }: ChunkOptions): Generator<RawChunk, void, undefined> {
    const { keySize, transferSize } = this.#shape;
    using elements = this.#kernel.mapElements(this.#fd(), keySize, transferSize);
    const seen = new Set<string>();
    let result = elements.next(true);
    while (result >= 0) {
      const key = elements.nextKey.slice();
      const mark = String.fromCharCode(...key);
      elements.key.set(key);
      if (!seen.has(mark)) {
        seen.add(mark);
        const found = elements.lookup(flags);
        // Gone meanwhile, or never filled: an array's empty slot has a key all the same.
        if (found >= 0) {
          if (take) elements.delete();
          yield { count: 1, keys: key, values: elements.value };
        } else if (!failed(found, Errno.ENOENT)) {
          elements.value.fill(0);
          const unreadable = this.failure(found, "read the values of", "BPF_MAP_LOOKUP_ELEM");
          yield { count: 1, keys: key, values: elements.value, unreadable };
        }
        this.#checkOpen("read");
        elements.key.set(key);
      } else if (seen.size >= this.#shape.maxEntries) {
        return;
      }
      result = elements.next(false);
    }
    if (!failed(result, Errno.ENOENT)) {
      throw this.failure(result, "read the keys of", "BPF_MAP_GET_NEXT_KEY");
    }
  }

  /** Room for a batch, for the caller to dispose of. */
  batch(capacity: number = BATCH): MapBatch {
    this.#checkOpen("make a batch of");
    const { keySize, transferSize } = this.#shape;
    return this.#kernel.mapBatch(this.#fd(), keySize, transferSize, capacity);
  }

  /** The error of a refused command on this map. */
  failure(result: number, doing: string, command: string): KernelError {
    return new KernelError({ doing: `${doing} map`, subject: this.#shape.name, command, result });
  }

  /** Gives the buffers back. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#elements?.[Symbol.dispose]();
    this.#elements = undefined;
  }

  /** What was made of the map ends with it, but a caller's generator may be resumed at any time. */
  #checkOpen(doing: string): void {
    if (this.#closed) throw disposedError(`${doing} map`, this.#shape.name);
  }

  #put(what: "key" | "value", bytes: Uint8Array): void {
    const buffer = this.elements[what];
    if (bytes.length === buffer.length) return buffer.set(bytes);
    throw new SkepError({
      doing: `set the ${what} of map`,
      subject: this.#shape.name,
      errno: "EINVAL",
      stage: "usage",
      why: `it takes ${buffer.length} bytes, got ${bytes.length}`,
    });
  }

  #found(result: number, doing: string, command: string): boolean {
    if (result >= 0) return true;
    if (failed(result, Errno.ENOENT)) return false;
    throw this.failure(result, doing, command);
  }
}

/** Errnos of map types and kernels that have no batch commands. */
const UNSUPPORTED: ReadonlySet<number> = new Set([
  Errno.ENOTSUPP,
  Errno.EOPNOTSUPP,
  Errno.EINVAL,
  Errno.EPERM,
]);
