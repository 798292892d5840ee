/**
 * Reads ring buffers (`BPF_MAP_TYPE_RINGBUF`): in place by callback or lease, in batches, or as an async iterable.
 *
 * The kernel shares the producer position, the consumer position and the data with this process, so records are
 * read where the program wrote them. Positions are plain numbers (exact up to 2⁵³ bytes) and are compared modulo
 * 2³², so that no BigInt is allocated per record.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { Descriptor } from "../../kernel/descriptor.ts";
import type { Mapping } from "../../kernel/mapping.ts";
import { copyRecord, type Decoder, type RecordCallback } from "./decoder.ts";
import {
  checkLimit,
  checkRingSize,
  checkTimeout,
  closedError,
  duplicate,
  mapRing,
  streamError,
} from "./error.ts";
import { RecordView } from "./record_view.ts";
import { RecordReader, type WaitForRecords } from "./reader.ts";
import { Waiter } from "./waiter.ts";
import {
  BPF_RINGBUF_BUSY_BIT,
  BPF_RINGBUF_DISCARD_BIT,
  BPF_RINGBUF_HDR_SZ,
} from "../../uapi/bpf_flags.ts";

// Module constants are faster than imported ones in a loop that reads them per record. The busy bit is the sign
// of the header word.
const DISCARD: number = BPF_RINGBUF_DISCARD_BIT;
const HEADER: number = BPF_RINGBUF_HDR_SZ;
const LENGTH: number = ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
const TWO_32 = 0x1_0000_0000;

/** Options of opening a ring buffer. */
export interface RingBufferOptions<T> {
  /** The name that errors show. @default {"ring buffer"} */
  readonly name?: string | undefined;
  /** Decodes a record into a value; without it, records are copies of their bytes. */
  readonly decoder?: Decoder<T> | undefined;
  /**
   * Returns how many records the program could not write, from the program's counter: the kernel does not count
   * them.
   */
  readonly lost?: (() => number) | undefined;
}

/** Descriptor and mappings of a reader. */
interface RingParts {
  readonly descriptor: Descriptor;
  readonly consumer: Mapping;
  readonly data: Mapping;
}

/**
 * Consumer of a ring buffer.
 *
 * A map must have one consumer at a time: it has one consumer position, and two readers corrupt each other.
 *
 * @example
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("execsnoop.bpf.o");
 * using links = object.attach();
 * for await (const event of object.maps.get("events").records()) console.log(event);
 * ```
 *
 * @typeParam T The type that a record is decoded to.
 */
export class RingBuffer<T = Uint8Array<ArrayBuffer>> extends RecordReader<T> {
  /** Size of the data area in bytes, a power of two. */
  readonly size: number;

  readonly #consumer: Mapping;
  readonly #data: Mapping;
  readonly #waiter: Waiter;
  readonly #descriptor: Descriptor;
  readonly #lost: (() => number) | undefined;
  /** The consumer page; its first 64 bits are the position. */
  readonly #position32: Int32Array;
  readonly #position64: BigUint64Array;
  /** The producer page, followed by the data mapped twice, so that records are contiguous. */
  readonly #words: Int32Array;
  readonly #view: RecordView;
  readonly #start: number;
  readonly #mask: number;
  /** Whether plain loads are ordered (x86-64, total store order); elsewhere a header needs a load-acquire. */
  readonly #ordered: boolean;
  /**
   * Number of bytes after which the position is published within a batch, so that a slow reader frees space
   * early.
   */
  readonly #chunk: number;
  #position: number;
  #published: number;
  #records = 0;
  #leased = false;
  #closed = false;

  private constructor(
    kernel: Kernel,
    size: number,
    { descriptor, consumer, data }: RingParts,
    options: RingBufferOptions<T>,
  ) {
    super(options.name ?? "ring buffer", options.decoder);
    this.size = size;
    this.#lost = options.lost;
    this.#consumer = consumer;
    this.#data = data;
    this.#position32 = consumer.i32;
    this.#position64 = consumer.big64;
    this.#words = data.i32;
    this.#view = new RecordView(data.u8.buffer);
    this.#start = kernel.machine.pageSize;
    this.#mask = size - 1;
    this.#ordered = kernel.machine.machine === "x86_64";
    this.#chunk = Math.max(size >>> 3, 4096);
    this.#position = Number(Atomics.load(this.#position64, 0));
    this.#published = this.#position;
    this.#descriptor = descriptor;
    this.#waiter = new Waiter(kernel, descriptor.fd);
  }

  /**
   * Maps a ring buffer (Linux 5.8). Duplicates the descriptor, so the caller may close its own.
   *
   * @param kernel The kernel that has the map.
   * @param fd A descriptor of the map.
   * @param size Size of the data area in bytes: the map's max_entries.
   * @param options The decoder, the name in errors, and the counter of lost records.
   * @throws {SkepError} when `size` is not a power of two from a page to 2 GiB.
   * @throws {KernelError} when the map cannot be mapped.
   */
  static open<T = Uint8Array<ArrayBuffer>>(
    kernel: Kernel,
    fd: number,
    size: number,
    options: RingBufferOptions<T> = {},
  ): RingBuffer<T> {
    const name = options.name ?? "ring buffer";
    const page = kernel.machine.pageSize;
    checkRingSize(name, size, page);
    using opened = new DisposableStack();
    const descriptor = opened.use(duplicate(kernel, fd, name));
    const consumer = opened.use(mapRing(kernel, name, descriptor.fd, page, { writable: true }));
    // Mapped read-only: callers only get a view that cannot write.
    const data = opened.use(
      mapRing(kernel, name, descriptor.fd, page + 2 * size, { offset: page, inPlace: true }),
    );
    const ring = new RingBuffer<T>(kernel, size, { descriptor, consumer, data }, options);
    opened.move();
    return ring;
  }

  /** Number of records read so far, without discarded ones. */
  override get records(): number {
    return this.#records;
  }

  /** Number of bytes that are reserved or written and not yet read, including record headers. */
  get available(): number {
    this.#checkOpen();
    return (Atomics.load(this.#words, 0) - (this.#position | 0)) >>> 0;
  }

  /** The consumer position: number of bytes read since the map was created. */
  get position(): number {
    return this.#position;
  }

  /** Number of records that the program could not write; undefined without the `lost` option. */
  override get lost(): number | undefined {
    return this.#lost?.();
  }

  /** Whether the reader is closed. */
  override get closed(): boolean {
    return this.#closed;
  }

  /**
   * Calls `callback` for each available record, without waiting, copying or allocating. Stops at a record that is
   * reserved and not yet submitted.
   *
   * The consumer position is published after each eighth of the buffer (at least 4096 bytes), and at the end. When
   * the callback throws, its record counts as read.
   *
   * @param callback Receives each record in place, through a read-only view.
   * @param limit Largest number of records to read.
   * @returns The number of records that were read.
   * @throws {SkepError} when the reader is closed, or a callback or lease is active.
   */
  override consume(callback: RecordCallback, limit: number = Infinity): number {
    checkLimit(this.name, limit);
    this.#begin();
    const words = this.#words;
    const view = this.#view;
    const start = this.#start;
    const mask = this.#mask;
    const ordered = this.#ordered;
    const chunk = this.#chunk;
    let count = 0;
    let passed = 0;
    try {
      while (count < limit && !this.#closed) {
        const position = this.#position;
        // Modulo 2^32: the distance never exceeds the buffer's size, which is at most 2^31.
        const available = (Atomics.load(words, 0) - (position | 0)) >>> 0;
        if (available === 0) break;
        const end = available < chunk ? available : chunk;
        const at = position & mask;
        while (passed < end) {
          const offset = start + ((at + passed) & mask);
          const index = offset >>> 2;
          const header = (ordered ? words[index] : Atomics.load(words, index)) as number;
          if (header < 0) return count;
          const length = header & LENGTH;
          passed += (length + HEADER + 7) & ~7;
          if ((header & DISCARD) !== 0) continue;
          count++;
          const answer = callback(view, offset + HEADER, length);
          if (answer === false || count === limit || this.#closed) return count;
        }
        this.#publish(position + passed);
        passed = 0;
      }
      return count;
    } finally {
      this.#records += count;
      this.#publish(this.#position + passed);
      this.#end();
    }
  }

  /**
   * Borrows the available records, to be read in place one after the other.
   *
   * Dispose the lease to free the space of the records that were read.
   *
   * @throws {SkepError} when the reader is closed, or a callback or lease is active.
   *
   * @example
   * ```ts ignore
   * using lease = ring.lease();
   * while (lease.next()) total += lease.view.getUint32(lease.offset, true);
   * ```
   */
  lease(): RingLease {
    this.#begin();
    const lease = new RingLease(
      this.#view,
      this.#words,
      this.#start,
      this.#mask,
      this.#ordered,
      this.#position,
      (position, count) => {
        this.#records += count;
        this.#publish(position);
        this.#end();
      },
    );
    return lease;
  }

  /**
   * Waits until a record is available.
   *
   * @returns true when one is; false when the signal was aborted, the reader closed, or the timeout expired.
   */
  override async wait(options: WaitForRecords = {}): Promise<boolean> {
    if (this.#closed || options.signal?.aborted) return false;
    if (this.#readable()) return true;
    // Records submitted with BPF_RB_NO_WAKEUP wake no waiter, so check again after a timeout.
    return await this.#waiter.ready(options) ||
      (!this.#closed && !options.signal?.aborted && this.#readable());
  }

  /** Blocks this thread until a record is available, at most `timeout` milliseconds; -1 waits without a limit. */
  override poll(timeout: number): boolean {
    this.#checkOpen();
    checkTimeout(this.name, timeout);
    return this.#readable() || (this.#waiter.poll(timeout) && this.#readable());
  }

  /** Ends all waits and unmaps the buffer. The map is not affected. */
  override close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiter[Symbol.dispose]();
    // An active lease or callback may still read the buffer; its end unmaps it.
    if (!this.#leased) this.#unmap();
  }

  /** Returns whether the next record is submitted; epoll also reports one that is reserved and not yet submitted. */
  #readable(): boolean {
    if (this.available === 0) return false;
    return Atomics.load(this.#words, (this.#start + (this.#position & this.#mask)) >>> 2) >= 0;
  }

  #begin(): void {
    this.#checkOpen();
    if (this.#leased) {
      throw streamError(
        "read",
        this.name,
        "it is already being read: a lease or a callback is active",
      );
    }
    this.#leased = true;
  }

  #end(): void {
    this.#leased = false;
    if (this.#closed) this.#unmap();
  }

  #unmap(): void {
    this.#consumer[Symbol.dispose]();
    this.#data[Symbol.dispose]();
    this.#descriptor[Symbol.dispose]();
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError("read", this.name);
  }

  /**
   * Publishes the consumer position by a store-release of its low word, or of both words when the high one
   * changes.
   */
  #publish(position: number): void {
    this.#position = position;
    if (position === this.#published) return;
    if (Math.floor(position / TWO_32) === Math.floor(this.#published / TWO_32)) {
      Atomics.store(this.#position32, 0, position | 0);
    } else {
      // Stored as 64 bits, so that the kernel never reads a torn position.
      Atomics.store(this.#position64, 0, BigInt(position));
    }
    this.#published = position;
  }
}

/**
 * Cursor over the records of a ring buffer, read in place in the shared memory.
 *
 * After {@linkcode RingLease.next} returned true, the record is the `length` bytes of `view` from `offset`, until
 * the lease is disposed.
 */
export class RingLease implements Disposable {
  /** Read-only view of the whole buffer; the record begins at {@linkcode RingLease.offset}. */
  readonly view: RecordView;
  /** Offset in bytes of the record in `view`. */
  offset = 0;
  /** Length of the record in bytes. */
  length = 0;
  /** Number of records read so far. */
  count = 0;

  readonly #words: Int32Array;
  readonly #start: number;
  readonly #mask: number;
  readonly #ordered: boolean;
  readonly #release: (position: number, count: number) => void;
  #position: number;
  #end: number;
  #released = false;

  /**
   * Creates a lease; use {@linkcode RingBuffer.lease}.
   *
   * @internal
   */
  constructor(
    view: RecordView,
    words: Int32Array,
    start: number,
    mask: number,
    ordered: boolean,
    position: number,
    release: (position: number, count: number) => void,
  ) {
    this.view = view;
    this.#words = words;
    this.#start = start;
    this.#mask = mask;
    this.#ordered = ordered;
    this.#position = position;
    this.#end = position + ((Atomics.load(words, 0) - (position | 0)) >>> 0);
    this.#release = release;
  }

  /**
   * Advances to the next record that was available when the lease was created. Returns false when there is
   * none, or when the next is not submitted.
   */
  next(): boolean {
    const words = this.#words;
    while (this.#position < this.#end) {
      const offset = this.#start + (this.#position & this.#mask);
      const header =
        (this.#ordered ? words[offset >>> 2] : Atomics.load(words, offset >>> 2)) as number;
      if (header < 0 || this.#released) return false;
      const length = header & LENGTH;
      this.#position += (length + HEADER + 7) & ~7;
      if ((header & DISCARD) !== 0) continue;
      this.offset = offset + HEADER;
      this.length = length;
      this.count++;
      return true;
    }
    return false;
  }

  /** Returns a copy of the record's bytes. */
  copy(): Uint8Array<ArrayBuffer> {
    return copyRecord(this.view, this.offset, this.length);
  }

  /** Frees the space of the records that were read. */
  [Symbol.dispose](): void {
    if (this.#released) return;
    this.#released = true;
    this.#release(this.#position, this.count);
  }
}
