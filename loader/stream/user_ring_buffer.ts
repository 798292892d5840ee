/**
 * Writes user ring buffers (`BPF_MAP_TYPE_USER_RINGBUF`): records for a program to read with
 * `bpf_user_ringbuf_drain`.
 *
 * @module
 */

import { ownBytes, wholeNumber } from "../../kernel/arguments.ts";
import type { Descriptor } from "../../kernel/descriptor.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Mapping } from "../../kernel/mapping.ts";
import type { ReadOptions } from "./decoder.ts";
import { checkRingSize, closedError, duplicate, mapRing } from "./error.ts";
import { pause } from "./event_loop.ts";
import { Waiter } from "./waiter.ts";
import {
  BPF_RINGBUF_BUSY_BIT,
  BPF_RINGBUF_DISCARD_BIT,
  BPF_RINGBUF_HDR_SZ,
} from "../../uapi/bpf_flags.ts";

const HEADER = BPF_RINGBUF_HDR_SZ;
const TWO_32 = 0x1_0000_0000;

/** Turns a value into bytes: what {@linkcode Codec} has, and all that a writer needs of it. */
export interface Encoder<T> {
  /** Bytes that {@linkcode Encoder.encode} writes. */
  readonly size: number;
  /** Writes the value at `offset`. */
  encode(value: T, view: DataView, offset: number): void;
}

/** How a user ring buffer is opened. */
export interface UserRingBufferOptions<T> {
  /** What messages call it. */
  readonly name?: string;
  /** Turns a value into bytes; without it, values are bytes. */
  readonly encoder?: Encoder<T> | undefined;
}

/** Room for one record, to be filled and then submitted or discarded. */
export interface Reservation extends Disposable {
  /** The record's room. */
  readonly view: DataView<ArrayBuffer>;
  /** Gives the record to the program. */
  submit(): void;
  /** Gives the room back unread. Disposing of it does the same, unless it was submitted. */
  discard(): void;
}

/** What a writer holds. */
interface UserRingParts {
  readonly descriptor: Descriptor;
  readonly consumer: Mapping;
  readonly data: Mapping;
}

/**
 * A producer for one user ring buffer. There must be one per map.
 *
 * @example
 * ```ts ignore
 * import { BpfObject, UserRingBuffer } from "@skep/skep";
 *
 * using object = await BpfObject.load("commands.bpf.o");
 * const map = object.maps.get("commands");
 * using ring = UserRingBuffer.open(object.kernel, map.fd, map.maxEntries);
 * if (!ring.write(new Uint8Array([1, 2, 3]))) console.log("full");
 * ```
 *
 * @typeParam T What is written.
 */
export class UserRingBuffer<T = Uint8Array> implements Disposable {
  /** What messages call it. */
  readonly name: string;
  /** Bytes of data that the buffer holds. */
  readonly size: number;

  readonly #consumer: Mapping;
  readonly #data: Mapping;
  readonly #waiter: Waiter;
  readonly #descriptor: Descriptor;
  readonly #encoder: Encoder<T> | undefined;
  readonly #start: number;
  #position: number;
  #closed = false;

  private constructor(
    kernel: Kernel,
    size: number,
    { descriptor, consumer, data }: UserRingParts,
    options: UserRingBufferOptions<T>,
  ) {
    this.name = options.name ?? "user ring buffer";
    this.size = size;
    this.#consumer = consumer;
    this.#data = data;
    this.#encoder = options.encoder;
    this.#start = kernel.machine.pageSize;
    this.#descriptor = descriptor;
    this.#waiter = new Waiter(kernel, descriptor.fd);
    this.#position = Number(Atomics.load(data.big64, 0));
  }

  /**
   * Maps a user ring buffer. The writer takes a descriptor of its own: the caller's may be closed
   * meanwhile. Minimum kernel: Linux 6.1.
   *
   * @param kernel Where the map is.
   * @param fd A descriptor of the map.
   * @param size Bytes of data: the map's max_entries.
   */
  static open<T = Uint8Array>(
    kernel: Kernel,
    fd: number,
    size: number,
    options: UserRingBufferOptions<T> = {},
  ): UserRingBuffer<T> {
    const name = options.name ?? "user ring buffer";
    const page = kernel.machine.pageSize;
    checkRingSize(name, size, page);
    using opened = new DisposableStack();
    const descriptor = opened.use(duplicate(kernel, fd, name));
    // Here the program consumes: its page is read-only for us, and the data is ours to write.
    const consumer = opened.use(mapRing(kernel, name, descriptor.fd, page, { inPlace: true }));
    const data = opened.use(
      mapRing(kernel, name, descriptor.fd, page + 2 * size, { offset: page, writable: true }),
    );
    const ring = new UserRingBuffer<T>(kernel, size, { descriptor, consumer, data }, options);
    opened.move();
    return ring;
  }

  /** Whether the writer was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes that the program has not read, headers included. */
  get pending(): number {
    this.#checkOpen();
    return ((this.#position | 0) - Atomics.load(this.#consumer.i32, 0)) >>> 0;
  }

  /**
   * Room for a record, or undefined when the buffer is full.
   *
   * The program sees nothing after a record that is reserved and not yet submitted.
   */
  reserve(length: number): Reservation | undefined {
    wholeNumber(length, `the length of a record of ${this.name}`, 0, this.size - HEADER);
    const total = (length + HEADER + 7) & ~7;
    if (this.pending + total > this.size) return undefined;
    const words = this.#data.i32;
    const header = this.#start + (this.#position & (this.size - 1));
    // The header before the position: a program that sees the position sees that it is busy.
    Atomics.store(words, (header >>> 2) + 1, 0);
    Atomics.store(words, header >>> 2, (length | BPF_RINGBUF_BUSY_BIT) | 0);
    this.#publish(this.#position + total);
    let open = true;
    const finish = (word: number): void => {
      if (!open) return;
      open = false;
      if (!this.#closed) Atomics.exchange(words, header >>> 2, word | 0);
    };
    return {
      view: new DataView(this.#data.u8.buffer, header + HEADER, length),
      submit: () => finish(length),
      discard: () => finish(length | BPF_RINGBUF_DISCARD_BIT),
      [Symbol.dispose]: () => finish(length | BPF_RINGBUF_DISCARD_BIT),
    };
  }

  /** Writes one record; false when the buffer is full. */
  write(value: T): boolean {
    this.#checkOpen();
    const encoder = this.#encoder;
    const length = encoder === undefined
      ? ownBytes(value as Uint8Array, `a record of ${this.name}`).length
      : encoder.size;
    using room = this.reserve(length);
    if (room === undefined) return false;
    if (encoder === undefined) {
      const { buffer, byteOffset } = room.view;
      new Uint8Array(buffer, byteOffset, length).set(value as Uint8Array);
    } else {
      encoder.encode(value, room.view, 0);
    }
    room.submit();
    return true;
  }

  /**
   * Writes one record, and waits for room while the buffer is full.
   *
   * @returns false when the signal was aborted or the writer closed.
   */
  async send(value: T, options: ReadOptions = {}): Promise<boolean> {
    while (!this.#closed && !options.signal?.aborted) {
      if (this.write(value)) return true;
      // The kernel calls a buffer writable that is not quite full: then only time helps.
      const full = this.pending === this.size;
      if (full) await this.#waiter.ready({ ...options, writable: true, timeout: 100 });
      else await pause(1, options.signal);
    }
    return false;
  }

  /** Unmaps the buffer. Records that were submitted stay for the program. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiter[Symbol.dispose]();
    this.#consumer[Symbol.dispose]();
    this.#data[Symbol.dispose]();
    this.#descriptor[Symbol.dispose]();
  }

  /** Closes the writer. */
  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError("write to", this.name);
  }

  #publish(position: number): void {
    const before = this.#position;
    this.#position = position;
    if (Math.floor(position / TWO_32) === Math.floor(before / TWO_32)) {
      Atomics.store(this.#data.i32, 0, position | 0);
    } else {
      Atomics.store(this.#data.big64, 0, BigInt(position));
    }
  }
}
