/**
 * Reads one CPU's perf buffer: a header page and a ring of data pages.
 *
 * Layout: `struct perf_event_mmap_page` and `struct perf_event_header` of `include/uapi/linux/perf_event.h`.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { Mapping } from "../../kernel/mapping.ts";
import type { RecordCallback } from "./decoder.ts";
import { refused, streamError } from "./error.ts";
import { RecordView } from "./record_view.ts";
import { PERF_RECORD_LOST, PERF_RECORD_SAMPLE } from "../../uapi/perf.ts";
import { structs, structSizes } from "../../uapi/layouts.ts";
import { Errno } from "../../uapi/errno.ts";

/** 32-bit word indices of the low halves of `data_head` and `data_tail` in the header page. */
const HEAD: number = structs.perf_event_mmap_page.data_head[0] / 4;
const TAIL: number = structs.perf_event_mmap_page.data_tail[0] / 4;
const HEADER: number = structSizes.perf_event_header;
const TYPE: number = structs.perf_event_header.type[0];
const SIZE: number = structs.perf_event_header.size[0];
const TWO_32 = 0x1_0000_0000;

/** The perf buffer of one CPU. Owns the perf event and the mapping. */
export class PerfCpuBuffer implements Disposable {
  /** The CPU's number. */
  readonly cpu: number;

  readonly #kernel: Kernel;
  readonly #fd: number;
  readonly #mapping: Mapping;
  readonly #words: Int32Array;
  readonly #view: RecordView;
  readonly #start: number;
  readonly #size: number;
  readonly #lost: (count: number) => void;
  #tail: number;
  /** Buffer into which a record that wraps around is copied. */
  #scratch: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(0));

  private constructor(
    kernel: Kernel,
    fd: number,
    cpu: number,
    mapping: Mapping,
    lost: (count: number) => void,
  ) {
    this.cpu = cpu;
    this.#kernel = kernel;
    this.#fd = fd;
    this.#mapping = mapping;
    this.#words = mapping.i32;
    this.#view = new RecordView(mapping.u8.buffer);
    this.#start = kernel.machine.pageSize;
    this.#size = mapping.size - this.#start;
    this.#lost = lost;
    this.#tail = Number(mapping.view.getBigUint64(TAIL * 4, true));
  }

  /**
   * Maps the buffer of a perf event. Takes ownership of the descriptor, also when it throws.
   *
   * @throws {SkepError} when `pages` is not a power of two.
   * @throws {KernelError} when mmap fails.
   */
  static map(
    kernel: Kernel,
    fd: number,
    cpu: number,
    pages: number,
    name: string,
    lost: (count: number) => void,
  ): PerfCpuBuffer {
    const bad = !Number.isInteger(pages) || pages < 1 || (pages & (pages - 1)) !== 0;
    const mapping = bad
      ? -Errno.EINVAL
      : kernel.map(fd, (pages + 1) * kernel.machine.pageSize, { writable: true });
    if (typeof mapping !== "number") return new PerfCpuBuffer(kernel, fd, cpu, mapping, lost);
    kernel.close(fd);
    if (bad) throw streamError("open", name, `${pages} pages is not a power of two`);
    throw refused("map", name, "mmap", mapping);
  }

  /** Number of bytes that are written and not yet read. */
  get available(): number {
    return (Atomics.load(this.#words, HEAD) - (this.#tail | 0)) >>> 0;
  }

  /** Calls `callback` for each sample until it returns `false` or the buffer is empty. */
  consume(callback: RecordCallback): void {
    const view = this.#view;
    const mask = this.#size - 1;
    let tail = this.#tail;
    const head = tail + this.available;
    try {
      while (tail < head) {
        const offset = this.#start + (tail & mask);
        // A header never wraps around: record sizes are multiples of eight bytes.
        const type = view.getUint32(offset + TYPE, true);
        const size = view.getUint16(offset + SIZE, true);
        if (size < HEADER) {
          tail = head;
          return;
        }
        tail += size;
        const wraps = offset + size > this.#start + this.#size;
        const record = wraps ? this.#unwrap(offset, size) : view;
        const at = wraps ? 0 : offset;
        if (type === PERF_RECORD_LOST) {
          // PERF_RECORD_LOST: u64 id, u64 lost.
          this.#lost(Number(record.getBigUint64(at + HEADER + 8, true)));
        } else if (type === PERF_RECORD_SAMPLE) {
          // PERF_SAMPLE_RAW: u32 size, then the data.
          const length = Math.min(record.getUint32(at + HEADER, true), size - HEADER - 4);
          if (callback(record, at + HEADER + 4, length) === false) return;
        }
      }
    } finally {
      this.#publish(tail);
    }
  }

  /** Unmaps the buffer and closes the perf event. */
  [Symbol.dispose](): void {
    this.#mapping[Symbol.dispose]();
    this.#kernel.close(this.#fd);
  }

  #unwrap(offset: number, size: number): DataView {
    if (this.#scratch.byteLength < size) this.#scratch = new DataView(new ArrayBuffer(65_536));
    const into = new Uint8Array(this.#scratch.buffer);
    const bytes = this.#mapping.u8;
    const end = this.#start + this.#size;
    into.set(bytes.subarray(offset, end));
    into.set(bytes.subarray(this.#start, this.#start + size - (end - offset)), end - offset);
    return this.#scratch;
  }

  /** Publishes the read position as `data_tail`; writes all 64 bits when the high half changes. */
  #publish(tail: number): void {
    const before = this.#tail;
    if (tail === before) return;
    this.#tail = tail;
    if (Math.floor(tail / TWO_32) === Math.floor(before / TWO_32)) {
      Atomics.store(this.#words, TAIL, tail | 0);
    } else {
      Atomics.store(this.#mapping.big64, TAIL / 2, BigInt(tail));
    }
  }
}
