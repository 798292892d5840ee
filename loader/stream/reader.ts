/**
 * Base class of the readers of records.
 *
 * @module
 */

import {
  copyRecord,
  type Decoder,
  decodeRecord,
  type ReadOptions,
  type RecordCallback,
} from "./decoder.ts";
import { Turns } from "./event_loop.ts";

/** Options of waiting for records. */
export interface WaitForRecords extends ReadOptions {
  /** Milliseconds after which to stop waiting; undefined waits without a limit. */
  readonly timeout?: number | undefined;
}

/** Options of reading batches. */
export interface BatchOptions extends ReadOptions {
  /** Largest number of records in a batch. @default {4096} */
  readonly limit?: number | undefined;
}

/**
 * Reads a stream of records from the kernel: by callback, in batches, or one by one.
 *
 * @typeParam T The type that a record is decoded to.
 */
export abstract class RecordReader<T> implements AsyncIterable<T>, Disposable {
  /** The name that errors show. */
  readonly name: string;
  /** Decodes records into values; without it, records are copies of their bytes. */
  protected readonly decoder: Decoder<T> | undefined;

  /** Initializes the common part of a reader. */
  protected constructor(name: string, decoder: Decoder<T> | undefined) {
    this.name = name;
    this.decoder = decoder;
  }

  /** Number of records read so far. */
  abstract get records(): number;

  /** Number of records known to be lost; undefined when they are not counted. */
  abstract get lost(): number | undefined;

  /** Whether the reader is closed. */
  abstract get closed(): boolean;

  /**
   * Calls `callback` for each available record, without waiting.
   *
   * @param callback Receives each record in place, without a copy unless a perf record wraps around its buffer.
   * @param limit Largest number of records to read.
   * @returns The number of records that were read.
   * @throws {SkepError} when the reader is closed, or called from its own callback.
   */
  abstract consume(callback: RecordCallback, limit?: number): number;

  /**
   * Waits until a record is available.
   *
   * @returns true when one is; false when the signal was aborted, the reader closed, or the timeout expired.
   */
  abstract wait(options?: WaitForRecords): Promise<boolean>;

  /**
   * Blocks this thread until a record is available. Gives a worker that does nothing else the lowest latency.
   *
   * @param timeout Milliseconds after which to stop waiting; -1 waits without a limit.
   * @returns Whether a record is available.
   * @throws {SkepError} when the reader is closed, or `timeout` is not a number of at least -1.
   */
  abstract poll(timeout: number): boolean;

  /** Ends all waits and unmaps the buffer. The map is not affected. */
  abstract close(): void;

  /**
   * Reads and decodes the available records, without waiting.
   *
   * @param limit Largest number of records to read.
   */
  drain(limit: number = Infinity): T[] {
    const batch: T[] = [];
    const { decoder } = this;
    this.consume(
      decoder === undefined
        ? (view, offset, length) => {
          batch.push(copyRecord(view, offset, length) as T);
        }
        : (view, offset, length) => {
          batch.push(decodeRecord(decoder, view, offset, length));
        },
      limit,
    );
    return batch;
  }

  /**
   * Calls `callback` for each record as it arrives, without allocating per record, until the signal is aborted,
   * the reader is closed, or the callback returns `false`.
   *
   * @returns The number of records that were read.
   */
  async forEach(callback: RecordCallback, options: ReadOptions = {}): Promise<number> {
    let total = 0;
    let stopped = false;
    const stopping: RecordCallback = (view, offset, length) => {
      if (callback(view, offset, length) !== false) return;
      stopped = true;
      return false;
    };
    const turns = new Turns();
    while (!this.closed && !options.signal?.aborted) {
      total += this.consume(stopping, 16_384);
      if (stopped || !(await this.wait(options))) break;
      if (turns.due()) await turns.take();
    }
    return total;
  }

  /**
   * Yields records in batches as they arrive: each has the records available when it is requested, at most
   * `limit`.
   */
  async *batches(options: BatchOptions = {}): AsyncGenerator<T[], void, undefined> {
    const limit = options.limit ?? 4096;
    const turns = new Turns();
    while (!this.closed && !options.signal?.aborted) {
      const batch = this.drain(limit);
      if (batch.length > 0) yield batch;
      else if (!(await this.wait(options))) return;
      if (turns.due()) await turns.take();
    }
  }

  /**
   * Returns an iterator over the records, one by one as they arrive. A record is read from the buffer when it is
   * requested, so leaving the loop loses none.
   */
  read(options: ReadOptions = {}): AsyncIterableIterator<T, undefined> {
    const { decoder } = this;
    let taken: T | undefined;
    const take: RecordCallback = decoder === undefined
      ? (view, offset, length) => {
        taken = copyRecord(view, offset, length) as T;
      }
      : (view, offset, length) => {
        taken = decodeRecord(decoder, view, offset, length);
      };
    let returned = false;
    const turns = new Turns();
    const next = async (): Promise<IteratorResult<T, undefined>> => {
      if (turns.due(64)) await turns.take();
      while (!returned && !this.closed && !options.signal?.aborted) {
        if (this.consume(take, 1) === 1) return { value: taken as T, done: false };
        if (!(await this.wait(options))) break;
      }
      return { value: undefined, done: true };
    };
    return {
      next,
      return(): Promise<IteratorResult<T, undefined>> {
        returned = true;
        return Promise.resolve({ value: undefined, done: true });
      },
      [Symbol.asyncIterator](): AsyncIterableIterator<T, undefined> {
        return this;
      },
    };
  }

  /** Iterates over the records as they arrive; same as {@linkcode read} without options. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.read();
  }

  /** Closes the reader. */
  [Symbol.dispose](): void {
    this.close();
  }
}
