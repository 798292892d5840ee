/**
 * Access to a map's elements as bytes, with every element command and flag.
 *
 * @module
 */

import { disposedError } from "../../errors/disposed.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { wholeNumber } from "../../kernel/arguments.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import type { Kernel, MapBatch, MapElements } from "../../kernel/kernel.ts";
import { SkepError } from "../../errors/skep_error.ts";

/** Default number of elements in a batch. */
export const BATCH: number = 4096;
/** Limit in bytes of the keys and values of a batch of default size. */
const BATCH_BYTES = 1 << 20;

/** Properties of a map that element commands need. */
export interface RawShape {
  /** The map's name in errors. */
  readonly name: string;
  /** Size of a key in bytes. */
  readonly keySize: number;
  /** Size in bytes of a value as commands copy it: for per-CPU maps, of all CPUs' values. */
  readonly transferSize: number;
  /** Largest number of elements. */
  readonly maxEntries: number;
  /** Whether a batch restarts from the first key when its current key is deleted, as for tries. */
  readonly restarts?: boolean | undefined;
}

/** A chunk of a map's elements. */
export interface RawChunk {
  /** Number of elements in the chunk. */
  readonly count: number;
  /** The keys, one after the other. The next chunk overwrites them. */
  readonly keys: Uint8Array<ArrayBuffer>;
  /** The values, one after the other. The next chunk overwrites them. */
  readonly values: Uint8Array<ArrayBuffer>;
  /** Error of the lookup when the map type's values cannot be read; the values are then zeroed. */
  readonly unreadable?: KernelError | undefined;
}

/** Options of reading a map in chunks. */
export interface ChunkOptions {
  /**
   * Approximate number of elements in a chunk; more if one bucket of a hash map has more.
   *
   * @default 4096, limited by the map's max_entries and to 1 MiB of keys and values
   */
  readonly size?: number | undefined;
  /** Flags of each lookup; with BPF_F_LOCK (4) the kernel holds a value's spin lock during the copy. @default {0} */
  readonly flags?: number | undefined;
  /**
   * Deletes elements as they are read.
   *
   * With BPF_MAP_LOOKUP_AND_DELETE_BATCH (hash maps, Linux 5.6) each element is read and deleted atomically. For map
   * types and kernels without it, each element is deleted after it was read, so a write by a program in between is
   * lost. Elements that cannot be deleted, such as an array's, stay.
   *
   * @default false
   */
  readonly take?: boolean | undefined;
}

/**
 * Access to a map's elements as bytes.
 *
 * A value of a per-CPU map has the values of all possible CPUs, each rounded up to eight bytes.
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
   * Uses the map whose descriptor `fd` returns. The descriptor's owner closes it.
   *
   * @internal
   */
  constructor(kernel: Kernel, fd: () => number, shape: RawShape) {
    this.#kernel = kernel;
    this.#fd = fd;
    this.#shape = shape;
  }

  /** Whether the map was disposed; every call then throws. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Size of a key in bytes. */
  get keySize(): number {
    return this.#shape.keySize;
  }

  /** Size of a value in bytes, as commands copy it: for per-CPU maps, of all CPUs' values. */
  get valueSize(): number {
    return this.#shape.transferSize;
  }

  /**
   * Buffers of one element and the commands on them. The methods for single elements use them; a loop over them
   * allocates nothing.
   */
  get elements(): MapElements {
    if (this.#elements === undefined) {
      this.#checkOpen("use the elements of");
      const { keySize, transferSize } = this.#shape;
      this.#elements = this.#kernel.mapElements(this.#fd(), keySize, transferSize);
    }
    return this.#elements;
  }

  /** Returns a copy of a key's value, or undefined when the key does not exist. */
  get(key: Uint8Array, flags: number = 0): Uint8Array<ArrayBuffer> | undefined {
    this.#put("key", key);
    return this.lookup(flags) ? this.elements.value.slice() : undefined;
  }

  /**
   * Sets a key's value. `flags`: 0 (BPF_ANY), 1 (BPF_NOEXIST, only a new key), 2 (BPF_EXIST, only an existing
   * key), 4 (BPF_F_LOCK).
   */
  set(key: Uint8Array, value: Uint8Array, flags: number = 0): void {
    this.#put("key", key);
    this.#put("value", value);
    this.update(flags);
  }

  /** Deletes a key. Returns false when it does not exist. */
  delete(key: Uint8Array): boolean {
    this.#put("key", key);
    return this.remove();
  }

  /** Deletes a key and returns its value in one atomic step, or undefined when the key does not exist. */
  take(key: Uint8Array, flags: number = 0): Uint8Array<ArrayBuffer> | undefined {
    this.#put("key", key);
    return this.lookupAndDelete(flags) ? this.elements.value.slice() : undefined;
  }

  /** Runs BPF_MAP_LOOKUP_ELEM on the element buffers. Returns false when the key does not exist. */
  lookup(flags: number = 0): boolean {
    return this.#found(this.elements.lookup(flags), "look up in", "BPF_MAP_LOOKUP_ELEM");
  }

  /** Runs BPF_MAP_LOOKUP_AND_DELETE_ELEM on the element buffers. Returns false when the key does not exist. */
  lookupAndDelete(flags: number = 0): boolean {
    return this.#found(
      this.elements.lookupAndDelete(flags),
      "take from",
      "BPF_MAP_LOOKUP_AND_DELETE_ELEM",
    );
  }

  /** Runs BPF_MAP_UPDATE_ELEM on the element buffers. */
  update(flags: number = 0): void {
    const result = this.elements.update(flags);
    if (result < 0) throw this.failure(result, "set an element of", "BPF_MAP_UPDATE_ELEM");
  }

  /** Runs BPF_MAP_DELETE_ELEM on the key buffer. Returns false when the key does not exist. */
  remove(): boolean {
    return this.#found(this.elements.delete(), "delete from", "BPF_MAP_DELETE_ELEM");
  }

  /**
   * Yields all elements in chunks, by batch lookup (Linux 5.6), or key by key for map types and kernels without it.
   *
   * An element that exists throughout is returned once, also when others are inserted or deleted meanwhile.
   *
   * @throws {SkepError} when the map was disposed.
   * @throws {KernelError} when the kernel refuses to read the map.
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
          // A bucket has more elements than the batch: continue at it with a larger batch.
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

  /** Moves the elements that were not returned before to the front of a batch, and returns their number. */
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

  /**
   * Yields elements key by key. BPF_MAP_GET_NEXT_KEY restarts when the current key is deleted, so returned keys
   * are tracked.
   */
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
        // ENOENT: deleted meanwhile, or an empty slot, which some array types list too.
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

  /** Creates buffers for batch commands, which the caller disposes. */
  batch(capacity: number = BATCH): MapBatch {
    this.#checkOpen("make a batch of");
    const { keySize, transferSize } = this.#shape;
    return this.#kernel.mapBatch(this.#fd(), keySize, transferSize, capacity);
  }

  /** Creates the error of a refused command on this map. */
  failure(result: number, doing: string, command: string): KernelError {
    return new KernelError({ doing: `${doing} map`, subject: this.#shape.name, command, result });
  }

  /** Frees the buffers. Later calls throw. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#elements?.[Symbol.dispose]();
    this.#elements = undefined;
  }

  /** Throws when the map was disposed. A generator of {@linkcode chunks} may be resumed after that. */
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

/** Errnos that map types and kernels without batch commands return. */
const UNSUPPORTED: ReadonlySet<number> = new Set([
  Errno.ENOTSUPP,
  Errno.EOPNOTSUPP,
  Errno.EINVAL,
  Errno.EPERM,
]);
