/**
 * A ring buffer without a kernel: the producer's side in plain memory, for tests.
 *
 * @module
 */

import type { Kernel } from "../kernel.ts";
import { Mapping } from "../mapping.ts";
import type { WaitOptions } from "../poller.ts";
import { BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT } from "../../uapi/bpf_flags.ts";

const PAGE = 4096;

/** The kernel's side of a ring buffer of `size` bytes. */
export class FakeRing {
  /** What a reader is opened with. */
  readonly kernel: Kernel;
  /** Bytes of data. */
  readonly size: number;
  /** Mappings that were made and not yet disposed of. */
  mapped = 0;
  readonly #consumer = new ArrayBuffer(PAGE);
  readonly #data: ArrayBuffer;
  readonly #view: DataView;
  #producer: number;
  #waits: { readonly resolve: (ready: boolean) => void }[] = [];

  /** An empty buffer whose positions start at `start`. */
  constructor(size: number, start: number = 0, machine: string = "x86_64") {
    this.size = size;
    this.#data = new ArrayBuffer(PAGE + 2 * size);
    this.#view = new DataView(this.#data);
    this.#producer = start;
    new BigUint64Array(this.#consumer)[0] = BigInt(start);
    this.#publish();
    const map = (_fd: number, _size: number, options?: { readonly offset?: number }): Mapping => {
      this.mapped++;
      return new Mapping(options?.offset ? this.#data : this.#consumer, 0, () => this.mapped--);
    };
    const wait = (_fd: number, options: WaitOptions = {}): Promise<boolean> => {
      const { promise, resolve, reject } = Promise.withResolvers<boolean>();
      options.signal?.addEventListener("abort", () => reject(options.signal?.reason));
      if (this.#producer !== this.position) resolve(true);
      this.#waits.push({ resolve });
      return promise;
    };
    this.kernel = {
      machine: { machine, pageSize: PAGE },
      map,
      poller: { wait, forget: () => this.#wake(false) },
    } as unknown as Kernel;
  }

  /** The consumer's position, as the kernel sees it. */
  get position(): number {
    return Number(new BigUint64Array(this.#consumer)[0]);
  }

  /** Writes a record; answers where, for {@linkcode submit}. */
  reserve(bytes: Uint8Array): number {
    const total = (bytes.length + 8 + 7) & ~7;
    if (this.#producer + total - this.position > this.size) return -1;
    const at = this.#producer;
    this.#header(at, bytes.length | BPF_RINGBUF_BUSY_BIT);
    for (const [index, byte] of bytes.entries()) {
      const offset = (at + 8 + index) % this.size;
      this.#view.setUint8(PAGE + offset, byte);
      this.#view.setUint8(PAGE + this.size + offset, byte);
    }
    this.#producer += total;
    this.#publish();
    return at;
  }

  /** Makes a reserved record readable, or discards it. */
  submit(at: number, discard = false): void {
    const length = this.#view.getUint32(PAGE + at % this.size, true) & 0x3fffffff;
    this.#header(at, discard ? length | BPF_RINGBUF_DISCARD_BIT : length);
    this.#wake(true);
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

  #wake(ready: boolean): void {
    const waits = this.#waits;
    this.#waits = [];
    for (const { resolve } of waits) resolve(ready);
  }
}
