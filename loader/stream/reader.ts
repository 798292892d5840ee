/**
 * What every reader of records can do, whatever the buffer beneath.
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

/** How long to wait. */
export interface WaitForRecords extends ReadOptions {
  /** Milliseconds after which to stop waiting. */
  readonly timeout?: number | undefined;
}

/** How batches are read. */
export interface BatchOptions extends ReadOptions {
  /** Most records of one batch. @default {4096} */
  readonly limit?: number | undefined;
}

/**
 * A stream of records from the kernel: by callback, in batches, or one by one.
 *
 * @typeParam T What a record is decoded to.
 */
export abstract class RecordReader<T> implements AsyncIterable<T>, Disposable {
  /** What messages call it. */
  readonly name: string;
  /** How records become values; without it they are copies of their bytes. */
  protected readonly decoder: Decoder<T> | undefined;

  /** For the readers of each kind. */
  protected constructor(name: string, decoder: Decoder<T> | undefined) {
    this.name = name;
    this.decoder = decoder;
  }

  /** Records read so far. */
  abstract get records(): number;

  /** Events known to be lost; undefined where nobody counts them. */
  abstract get lost(): number | undefined;

  /** Whether the reader was closed. */
  abstract get closed(): boolean;

  /**
   * Calls back for each record that is there, without waiting, copying or allocating.
   *
   * @param callback Reads the record in place.
   * @param limit At most so many records.
   * @returns How many records were read.
   */
  abstract consume(callback: RecordCallback, limit?: number): number;

  /**
   * Waits until there is a record.
   *
   * @returns false when the signal was aborted, the reader closed, or the time was up.
   */
  abstract wait(options?: WaitForRecords): Promise<boolean>;

  /**
   * Waits until there is a record, and *blocks this thread*: for a worker whose loop does nothing else,
   * the shortest way from an event to its reader.
   *
   * @param timeout Milliseconds after which to stop waiting; -1 waits without end.
   */
  abstract poll(timeout: number): boolean;

  /** Ends every wait and gives the memory back. The map itself stays. */
  abstract close(): void;

  /**
   * The records that are there, decoded, without waiting.
   *
   * @param limit At most so many records.
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
   * Calls back for each record as it comes, without allocating per record, until the signal is
   * aborted, the reader is closed, or the callback answers `false`.
   *
   * @returns How many records were read.
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

  /** The records in batches, as they come: what is there when the loop asks, at most `limit`. */
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
   * The records one by one, as they come. A record is taken from the buffer when the loop asks for
   * it, so that leaving the loop loses none.
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

  /** The records one by one, as they come. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.read();
  }

  /** Closes the reader. */
  [Symbol.dispose](): void {
    this.close();
  }
}
