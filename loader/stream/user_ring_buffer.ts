/**
 * Writes user ring buffers (`BPF_MAP_TYPE_USER_RINGBUF`), whose records programs read with
 * `bpf_user_ringbuf_drain` (Linux 6.1).
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

/** Encodes a value into bytes. {@linkcode Codec} implements it. */
export interface Encoder<T> {
  /** Number of bytes that {@linkcode Encoder.encode} writes. */
  readonly size: number;
  /** Writes the value at `offset`, in bytes. */
  encode(value: T, view: DataView, offset: number): void;
}

/** Options of opening a user ring buffer. */
export interface UserRingBufferOptions<T> {
  /** The name that errors show. @default {"user ring buffer"} */
  readonly name?: string;
  /** Encodes a value into bytes; without it, values are bytes. */
  readonly encoder?: Encoder<T> | undefined;
}

/** Space reserved for one record, to be filled and then submitted or discarded. */
export interface Reservation extends Disposable {
  /** The record's bytes, to be written. */
  readonly view: DataView<ArrayBuffer>;
  /** Makes the record visible to the program. */
  submit(): void;
  /** Discards the record; the program skips it. Disposing the reservation does the same unless it was submitted. */
  discard(): void;
}

/** Descriptor and mappings of a writer. */
interface UserRingParts {
  readonly descriptor: Descriptor;
  readonly consumer: Mapping;
  readonly data: Mapping;
}

/**
 * Producer of a user ring buffer. A map must have one producer at a time, since it has one producer position.
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
 * @typeParam T The type of the values that are written.
 */
export class UserRingBuffer<T = Uint8Array> implements Disposable {
  /** The name that errors show. */
  readonly name: string;
  /** Size of the data area in bytes. */
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
   * Maps a user ring buffer (Linux 6.1). Duplicates the descriptor, so the caller may close its own.
   *
   * @param kernel The kernel that has the map.
   * @param fd A descriptor of the map.
   * @param size Size of the data area in bytes: the map's max_entries.
   * @throws {SkepError} when `size` is not a power of two from a page to 2 GiB.
   * @throws {KernelError} when the map cannot be mapped.
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
    // The program is the consumer: its page is read-only here, and the data pages are writable.
    const consumer = opened.use(mapRing(kernel, name, descriptor.fd, page, { inPlace: true }));
    const data = opened.use(
      mapRing(kernel, name, descriptor.fd, page + 2 * size, { offset: page, writable: true }),
    );
    const ring = new UserRingBuffer<T>(kernel, size, { descriptor, consumer, data }, options);
    opened.move();
    return ring;
  }

  /** Whether the writer is closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Number of bytes that the program has not read, including record headers. */
  get pending(): number {
    this.#checkOpen();
    return ((this.#position | 0) - Atomics.load(this.#consumer.i32, 0)) >>> 0;
  }

  /**
   * Reserves space for a record of `length` bytes. Returns undefined when the buffer is full.
   *
   * The program reads no record past one that is reserved and neither submitted nor discarded.
   *
   * @throws {SkepError} when the writer is closed.
   */
  reserve(length: number): Reservation | undefined {
    wholeNumber(length, `the length of a record of ${this.name}`, 0, this.size - HEADER);
    const total = (length + HEADER + 7) & ~7;
    if (this.pending + total > this.size) return undefined;
    const words = this.#data.i32;
    const header = this.#start + (this.#position & (this.size - 1));
    // Store the header before the position, so that a program that reads the new position sees the busy bit.
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

  /**
   * Writes one record. Returns false when the buffer is full.
   *
   * @throws {SkepError} when the writer is closed.
   */
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
   * Writes one record, waiting for space while the buffer is full.
   *
   * @returns true when it was written; false when the signal was aborted or the writer closed.
   */
  async send(value: T, options: ReadOptions = {}): Promise<boolean> {
    while (!this.#closed && !options.signal?.aborted) {
      if (this.write(value)) return true;
      // epoll reports a buffer that is not completely full as writable, even if the record does not fit: pause.
      const full = this.pending === this.size;
      if (full) await this.#waiter.ready({ ...options, writable: true, timeout: 100 });
      else await pause(1, options.signal);
    }
    return false;
  }

  /** Unmaps the buffer. Submitted records stay available to the program. */
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
