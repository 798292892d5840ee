/**
 * A ring buffer without a kernel: the producer's side in plain memory, for tests.
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

/** The kernel's side of a ring buffer map; see `FakeKernel.ring`. */
export class FakeRing {
  /** Bytes of data. */
  readonly size: number;
  /** Mappings that were made and not yet disposed of. */
  mapped = 0;
  /** Called when a record was submitted. */
  submitted: () => void = () => {};
  readonly #consumer = new ArrayBuffer(PAGE);
  readonly #data: ArrayBuffer;
  readonly #view: DataView;
  #producer = 0;

  /** An empty buffer. */
  constructor(size: number) {
    this.size = size;
    this.#data = new ArrayBuffer(PAGE + 2 * size);
    this.#view = new DataView(this.#data);
  }

  /** Moves both positions of an empty buffer: where many records went through. */
  start(position: number): void {
    this.#producer = position;
    new BigUint64Array(this.#consumer)[0] = BigInt(position);
    this.#publish();
  }

  /** The consumer's page, or behind it the producer's and the data. */
  mapping(offset: number): Mapping {
    this.mapped++;
    return new Mapping(offset === 0 ? this.#consumer : this.#data, 0, () => this.mapped--);
  }

  /** The consumer's position, as the kernel sees it. */
  get position(): number {
    return Number(new BigUint64Array(this.#consumer)[0]);
  }

  /** Writes a record; answers where, for {@linkcode submit}. */
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

  /** Writes and submits a record. */
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
