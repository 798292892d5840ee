/**
 * Reads records of any buffer as an async generator.
 *
 * @module
 */

import type { Decoder, ReadOptions } from "./decoder.ts";
import type { RecordReader } from "./reader.ts";

/** Options of reading records. */
export interface RecordsOptions<T> extends ReadOptions {
  /** Decodes a record into a value; without it, records are copies of their bytes. */
  readonly decoder?: Decoder<T> | undefined;
  /** Perf buffers: number of data pages per CPU, a power of two. @default {64} */
  readonly pages?: number | undefined;
  /** Ring buffers: returns how many records the program could not write, from the program's counter. */
  readonly lost?: (() => number) | undefined;
}

/**
 * Yields the records of a reader one by one as they arrive, until the signal is aborted or the loop is left.
 * Either closes the reader, also while it waits. `open` is called when the first record is requested.
 *
 * Use one reader per map: a ring buffer has one consumer position, so two readers corrupt each other, and a second
 * reader of a perf buffer replaces the first's buffers in the map.
 */
export function records<T = Uint8Array<ArrayBuffer>>(
  open: () => RecordReader<T>,
  options: ReadOptions = {},
): AsyncGenerator<T, void, undefined> {
  let reader: RecordReader<T> | undefined;
  let events: AsyncIterator<T, undefined> | undefined;
  let ended = false;
  const end = (): void => {
    ended = true;
    reader?.close();
  };
  const step = async (): Promise<IteratorResult<T, void>> => {
    if (ended) return { value: undefined, done: true };
    try {
      reader ??= open();
      events ??= reader.read(options);
      const result = await events.next();
      if (result.done === true) end();
      return result;
    } catch (error) {
      end();
      throw error;
    }
  };
  let running = 0;
  let last: Promise<unknown> = Promise.resolve();
  const finished = (): void => {
    running--;
  };
  return {
    next(): Promise<IteratorResult<T, void>> {
      // Concurrent calls get records in the order of the calls.
      const turn = running === 0 ? step() : last.then(step, step);
      running++;
      last = turn;
      turn.then(finished, finished);
      return turn;
    },
    // Not a generator function: its return() would wait for a pending next().
    return(): Promise<IteratorResult<T, void>> {
      end();
      return Promise.resolve({ value: undefined, done: true });
    },
    throw(error: unknown): Promise<IteratorResult<T, void>> {
      end();
      return Promise.reject(error);
    },
    [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
      return this;
    },
    [Symbol.asyncDispose](): Promise<void> {
      end();
      return Promise.resolve();
    },
  };
}
