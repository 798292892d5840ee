/**
 * One way to read events, whichever buffer they are in.
 *
 * @module
 */

import type { Decoder, ReadOptions } from "./decoder.ts";
import type { RecordReader } from "./reader.ts";

/** How events are read. */
export interface RecordsOptions<T> extends ReadOptions {
  /** Turns a record into a value; without it, records are copies of their bytes. */
  readonly decoder?: Decoder<T> | undefined;
  /** Perf buffers: pages of data per CPU, a power of two. @default {64} */
  readonly pages?: number | undefined;
  /** Ring buffers: how many events the program could not write, by its own count. */
  readonly lost?: (() => number) | undefined;
}

/**
 * The events of a reader as they come, one by one, until the signal is aborted or the loop is left, which
 * closes the reader, also while it waits. `open` opens the reader when the first event is asked for.
 *
 * One reader at a time: those of a ring buffer share the place that the kernel writes behind, and a
 * second one of a perf buffer takes the events from the first.
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
      // Who asks twice gets the records in order.
      const turn = running === 0 ? step() : last.then(step, step);
      running++;
      last = turn;
      turn.then(finished, finished);
      return turn;
    },
    // Not a generator function: its return() would wait for the record that next() waits for.
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
