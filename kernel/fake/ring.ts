/**
 * A ring buffer map in plain memory, with the producer side for tests.
 *
 * @module
 */

import { Mapping } from "../mapping.ts";
import {
  BPF_RINGBUF_BUSY_BIT,
  BPF_RINGBUF_DISCARD_BIT,
  BPF_RINGBUF_HDR_SZ,
} from "../../uapi/bpf_flags.ts";

const PAGE = 4096;

/** The producer side of a ring buffer map; see `FakeKernel.ring`. */
export class FakeRing {
  /** Size of the data area in bytes. */
  readonly size: number;
  /** Number of mappings not yet disposed of. */
  mapped = 0;
  /** Called after a record was submitted. */
  submitted: () => void = () => {};
  readonly #consumer = new ArrayBuffer(PAGE);
  readonly #data: ArrayBuffer;
  readonly #view: DataView;
  #producer = 0;

  /** Creates an empty buffer of `size` bytes. */
  constructor(size: number) {
    this.size = size;
    this.#data = new ArrayBuffer(PAGE + 2 * size);
    this.#view = new DataView(this.#data);
  }

  /** Moves both positions of an empty buffer, as if that many bytes had passed through. */
  start(position: number): void {
    this.#producer = position;
    new BigUint64Array(this.#consumer)[0] = BigInt(position);
    this.#publish();
  }

  /** Returns a mapping of the consumer page (offset 0), or of the producer page and the data after it. */
  mapping(offset: number): Mapping {
    this.mapped++;
    return new Mapping(offset === 0 ? this.#consumer : this.#data, 0, () => this.mapped--);
  }

  /** The consumer position. */
  get position(): number {
    return Number(new BigUint64Array(this.#consumer)[0]);
  }

  /**
   * Writes a record without submitting it. Returns its position for {@linkcode submit}, or -1 when the
   * buffer is full.
   */
  reserve(bytes: Uint8Array): number {
    const total = (bytes.length + BPF_RINGBUF_HDR_SZ + 7) & ~7;
    if (this.#producer + total - this.position > this.size) return -1;
    const at = this.#producer;
    this.#header(at, bytes.length | BPF_RINGBUF_BUSY_BIT);
    for (const [index, byte] of bytes.entries()) {
      const offset = (at + BPF_RINGBUF_HDR_SZ + index) % this.size;
      this.#view.setUint8(PAGE + offset, byte);
      this.#view.setUint8(PAGE + this.size + offset, byte);
    }
    this.#producer += total;
    this.#publish();
    return at;
  }

  /** Makes a reserved record readable, or discards it. */
  submit(at: number, discard = false): void {
    const length = this.#view.getUint32(PAGE + at % this.size, true) &
      ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    this.#header(at, discard ? length | BPF_RINGBUF_DISCARD_BIT : length);
    this.submitted();
  }

  /** Writes and submits a record; returns false when the buffer is full. */
  output(bytes: Uint8Array): boolean {
    const at = this.reserve(bytes);
    if (at >= 0) this.submit(at);
    return at >= 0;
  }

  #header(at: number, word: number): void {
    for (const copy of [0, this.size]) {
      this.#view.setUint32(PAGE + copy + at % this.size, word >>> 0, true);
    }
  }

  #publish(): void {
    this.#view.setBigUint64(0, BigInt(this.#producer), true);
  }
}
