/**
 * Reads ring buffers (`BPF_MAP_TYPE_RINGBUF`): without a copy, by callback, in batches, or as an async iterable.
 *
 * The kernel shares two positions and the data with this process; a record is read where the program
 * wrote it. Positions are kept as plain numbers (exact to 2⁵³ bytes) and compared modulo 2³², so that no
 * BigInt is made for an event.
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

// Constants of this module are faster than imported ones where a loop reads them per record. The busy
// bit is the sign of the header word.
const DISCARD: number = BPF_RINGBUF_DISCARD_BIT;
const HEADER: number = BPF_RINGBUF_HDR_SZ;
const LENGTH: number = ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
const TWO_32 = 0x1_0000_0000;

/** How a ring buffer is opened. */
export interface RingBufferOptions<T> {
  /** What messages call it. */
  readonly name?: string | undefined;
  /** Turns a record into a value; without it, records are copies of their bytes. */
  readonly decoder?: Decoder<T> | undefined;
  /** How many events the program could not write. Ring buffers do not count this themselves: a program's own counter does. */
  readonly lost?: (() => number) | undefined;
}

/** What a reader holds. */
interface RingParts {
  readonly descriptor: Descriptor;
  readonly consumer: Mapping;
  readonly data: Mapping;
}

/**
 * A consumer of one ring buffer.
 *
 * There must be one consumer per map: the kernel keeps one consumer position.
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
 * @typeParam T What a record is decoded to.
 */
export class RingBuffer<T = Uint8Array<ArrayBuffer>> extends RecordReader<T> {
  /** Bytes of data that the buffer holds: a power of two. */
  readonly size: number;

  readonly #consumer: Mapping;
  readonly #data: Mapping;
  readonly #waiter: Waiter;
  readonly #descriptor: Descriptor;
  readonly #lost: (() => number) | undefined;
  /** The consumer page: word 0 and 1 are the position. */
  readonly #position32: Int32Array;
  readonly #position64: BigUint64Array;
  /** The producer page and the data behind it, the data twice: a record never wraps. */
  readonly #words: Int32Array;
  readonly #view: RecordView;
  readonly #start: number;
  readonly #mask: number;
  /** Plain loads keep their order on x86-64 (total store order); elsewhere a header needs a load-acquire. */
  readonly #ordered: boolean;
  /** Bytes after which the position is published within a batch, so that a slow reader makes room as it goes. */
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
   * Maps a ring buffer. The reader takes a descriptor of its own: the caller's may be closed meanwhile.
   *
   * Minimum kernel: Linux 5.8.
   *
   * @param kernel Where the map is.
   * @param fd A descriptor of the map.
   * @param size Bytes of data: the map's max_entries.
   * @param options How to decode, and what to call it.
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
    // Read-only: nobody gets another view on it than one that does not write.
    const data = opened.use(
      mapRing(kernel, name, descriptor.fd, page + 2 * size, { offset: page, inPlace: true }),
    );
    const ring = new RingBuffer<T>(kernel, size, { descriptor, consumer, data }, options);
    opened.move();
    return ring;
  }

  /** Records read so far, discarded ones not counted. */
  override get records(): number {
    return this.#records;
  }

  /** Bytes written and not yet read, headers included. */
  get available(): number {
    this.#checkOpen();
    return (Atomics.load(this.#words, 0) - (this.#position | 0)) >>> 0;
  }

  /** Bytes read since the map was made: the consumer's position. */
  get position(): number {
    return this.#position;
  }

  /** Events that the program could not write, where its counter was given; else undefined. */
  override get lost(): number | undefined {
    return this.#lost?.();
  }

  /** Whether the reader was closed. */
  override get closed(): boolean {
    return this.#closed;
  }

  /**
   * Calls back for each record that is there, without waiting, copying or allocating.
   *
   * Room is given back once per eighth of the buffer, and at the end. When the callback throws, its
   * record counts as read.
   *
   * @param callback Reads the record in place, through a view that does not write.
   * @param limit At most so many records.
   * @returns How many records were read.
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
   * Borrows the records that are there, to be read in place one after the other.
   *
   * Dispose of the lease to give the room back to the program.
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
   * Waits until there is a record.
   *
   * @returns false when the signal was aborted, the reader closed, or the time was up.
   */
  override async wait(options: WaitForRecords = {}): Promise<boolean> {
    if (this.#closed || options.signal?.aborted) return false;
    if (this.#readable()) return true;
    // Records sent with BPF_RB_NO_WAKEUP wake nobody, and are there all the same.
    return await this.#waiter.ready(options) ||
      (!this.#closed && !options.signal?.aborted && this.#readable());
  }

  /** Waits until there is a record, and blocks this thread; -1 waits without end. */
  override poll(timeout: number): boolean {
    this.#checkOpen();
    checkTimeout(this.name, timeout);
    return this.#readable() || (this.#waiter.poll(timeout) && this.#readable());
  }

  /** Ends every wait and unmaps the buffer. The map itself stays. */
  override close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiter[Symbol.dispose]();
    // Records on loan stay readable until the lease or the callback is over.
    if (!this.#leased) this.#unmap();
  }

  /** Whether there is a record that is submitted: one still being written is there for epoll, but not for us. */
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
        "it is being read already: a lease or a callback is not over",
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

  /** Tells the kernel how far this side has read: a store-release on the low word, unless the high word changes too. */
  #publish(position: number): void {
    this.#position = position;
    if (position === this.#published) return;
    if (Math.floor(position / TWO_32) === Math.floor(this.#published / TWO_32)) {
      Atomics.store(this.#position32, 0, position | 0);
    } else {
      // Both words at once: the kernel must not see a torn position.
      Atomics.store(this.#position64, 0, BigInt(position));
    }
    this.#published = position;
  }
}

/**
 * Records of a ring buffer on loan: a cursor over the kernel's own memory.
 *
 * After {@linkcode RingLease.next} answered true, the record's bytes are those of `view` from `offset`
 * on, `length` of them, until the lease is disposed of.
 */
export class RingLease implements Disposable {
  /** The whole buffer, to be read; a record begins at {@linkcode RingLease.offset}. */
  readonly view: RecordView;
  /** Where the record begins in `view`. */
  offset = 0;
  /** The record's bytes. */
  length = 0;
  /** Records passed so far. */
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
   * Made by {@linkcode RingBuffer.lease}.
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

  /** Goes to the next record that was there when the lease was taken; false at the end. */
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

  /** A copy of the record's bytes, the caller's own. */
  copy(): Uint8Array<ArrayBuffer> {
    return copyRecord(this.view, this.offset, this.length);
  }

  /** Gives the room of the records passed back to the program. */
  [Symbol.dispose](): void {
    if (this.#released) return;
    this.#released = true;
    this.#release(this.#position, this.count);
  }
}
