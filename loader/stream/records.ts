/**
 * One way to read events, whichever buffer they are in.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { MapType } from "../../uapi/enums.ts";
import type { Decoder, ReadOptions } from "./decoder.ts";
import { streamError } from "./error.ts";
import { PerfBuffer } from "./perf_buffer.ts";
import type { RecordReader } from "./reader.ts";
import { RingBuffer } from "./ring_buffer.ts";

/** The map that events come from. */
export interface EventMap {
  /** A descriptor, which stays the caller's. */
  readonly fd: number;
  /** What messages call it. */
  readonly name: string;
  /** The number of the map's type. */
  readonly type: number;
  /** As the kernel has it: for ring buffers the bytes of data, for perf event arrays the CPUs. */
  readonly maxEntries: number;
}

/** How events are read. */
export interface RecordsOptions<T> extends ReadOptions {
  /** Turns a record into a value; without it, records are copies of their bytes. */
  readonly decoder?: Decoder<T>;
  /** Perf buffers: pages of data per CPU, a power of two. @default {64} */
  readonly pages?: number;
  /** Ring buffers: how many events the program could not write, by its own count. */
  readonly lost?: () => number;
}

/** Opens a ring buffer or a perf buffer for reading. */
export function openRecords<T = Uint8Array<ArrayBuffer>>(
  kernel: Kernel,
  map: EventMap,
  options: RecordsOptions<T> = {},
): RecordReader<T> {
  const { fd, name, type, maxEntries } = map;
  if (type === MapType.ringbuf) {
    return RingBuffer.open(kernel, fd, maxEntries, { name, ...options });
  }
  if (type === MapType.perf_event_array) {
    return PerfBuffer.open(kernel, fd, maxEntries, { name, ...options });
  }
  throw streamError(
    "read events of",
    name,
    "it is neither a ring buffer nor a perf event array",
    "use get(), entries() or keys()",
  );
}

/**
 * The events of a map as they come, one by one, until the signal is aborted or the loop is left, which
 * closes the reader, also while it waits.
 *
 * One reader at a time: those of a ring buffer share the place that the kernel writes behind, and a
 * second one of a perf buffer takes the events from the first.
 */
export function records<T = Uint8Array<ArrayBuffer>>(
  kernel: Kernel,
  map: EventMap,
  options: RecordsOptions<T> = {},
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
      reader ??= openRecords(kernel, map, options);
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
