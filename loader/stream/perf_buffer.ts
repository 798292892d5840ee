/**
 * Reads perf buffers (`BPF_MAP_TYPE_PERF_EVENT_ARRAY`): one buffer per CPU, with counts of lost events.
 *
 * Order is kept within a CPU, not between CPUs. Ring buffers (Linux 5.8) need less memory and keep
 * order; perf buffers are for older kernels and for objects that use them.
 *
 * @module
 */

import { wholeNumber } from "../../kernel/arguments.ts";
import type { Descriptor } from "../../kernel/descriptor.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Decoder, RecordCallback } from "./decoder.ts";
import { checkLimit, checkTimeout, closedError, duplicate, refused, streamError } from "./error.ts";
import { PerfCpuBuffer } from "./perf_cpu_buffer.ts";
import { RecordReader, type WaitForRecords } from "./reader.ts";
import { Waiter } from "./waiter.ts";
import {
  PERF_COUNT_SW_BPF_OUTPUT,
  PERF_EVENT_IOC_ENABLE,
  PERF_SAMPLE_RAW,
  PERF_TYPE_SOFTWARE,
} from "../../uapi/perf.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** How a perf buffer is opened. */
export interface PerfBufferOptions<T> {
  /** What messages call it. */
  readonly name?: string | undefined;
  /** Turns a record into a value; without it, records are copies of their bytes. */
  readonly decoder?: Decoder<T> | undefined;
  /** Pages of data per CPU: a power of two. @default {64} */
  readonly pages?: number | undefined;
  /** Events after which a waiting reader is woken; more make it cheaper and later. @default {1} */
  readonly wakeup?: number | undefined;
  /** Told of each loss: how many events of a CPU found no room. */
  readonly onLost?: ((lost: { readonly cpu: number; readonly count: number }) => void) | undefined;
}

/**
 * A consumer of one perf event array: opens a buffer on every CPU that is on and puts it into the map.
 *
 * A sample that the kernel padded is some bytes longer than what the program wrote.
 *
 * @example
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("opensnoop.bpf.o");
 * using links = object.attach();
 * for await (const event of object.maps.get("events").records()) console.log(event);
 * ```
 *
 * @typeParam T What a record is decoded to.
 */
export class PerfBuffer<T = Uint8Array<ArrayBuffer>> extends RecordReader<T> {
  readonly #kernel: Kernel;
  /** Of its own: it takes the perf events out of the map at the end. */
  readonly #map: Descriptor;
  readonly #buffers: PerfCpuBuffer[] = [];
  readonly #waiters: Waiter[] = [];
  #records = 0;
  #lost = 0;
  #next = 0;
  #reading = false;
  #closed = false;

  private constructor(kernel: Kernel, map: Descriptor, options: PerfBufferOptions<T>) {
    super(options.name ?? "perf buffer", options.decoder);
    this.#kernel = kernel;
    this.#map = map;
  }

  /**
   * Opens a buffer on every CPU. The reader takes a descriptor of its own: the caller's may be closed
   * meanwhile.
   *
   * perf_event_open is not delegable: it needs CAP_PERFMON (or root) in the initial user namespace.
   *
   * @param kernel Where the map is.
   * @param mapFd A descriptor of the map.
   * @param maxEntries The map's size: CPUs beyond it get no buffer.
   */
  static open<T = Uint8Array<ArrayBuffer>>(
    kernel: Kernel,
    mapFd: number,
    maxEntries: number,
    options: PerfBufferOptions<T> = {},
  ): PerfBuffer<T> {
    const name = options.name ?? "perf buffer";
    wholeNumber(maxEntries, `the size of ${name}`);
    wholeNumber(options.wakeup ?? 1, `the wakeup of ${name}`);
    const buffer = new PerfBuffer<T>(kernel, duplicate(kernel, mapFd, name), options);
    try {
      for (const cpu of kernel.machine.onlineCpus) {
        if (cpu < maxEntries) buffer.#openCpu(cpu, options);
      }
    } catch (error) {
      buffer.close();
      throw error;
    }
    return buffer;
  }

  /** Records read so far. */
  override get records(): number {
    return this.#records;
  }

  /** Events that found a full buffer, as far as the kernel has told: it tells when there is room again. */
  override get lost(): number {
    return this.#lost;
  }

  /** Whether the reader was closed. */
  override get closed(): boolean {
    return this.#closed;
  }

  /** The CPUs that have a buffer. */
  get cpus(): number[] {
    return this.#buffers.map((buffer) => buffer.cpu);
  }

  /**
   * Calls back for each record of each CPU, without waiting. Records are read in place, but for those
   * that wrap around the end of their buffer, which are copied.
   *
   * @param limit At most so many records, taken from the CPUs in turn from call to call.
   */
  override consume(callback: RecordCallback, limit: number = Infinity): number {
    if (this.#closed) throw closedError("read", this.name);
    checkLimit(this.name, limit);
    if (this.#reading) {
      throw streamError("read", this.name, "it is being read already: a callback is not over");
    }
    this.#reading = true;
    let count = 0;
    let stopped = false;
    const counting: RecordCallback = (view, offset, length) => {
      count++;
      if (callback(view, offset, length) === false || this.#closed) stopped = true;
      return !stopped && count < limit;
    };
    try {
      const { length } = this.#buffers;
      for (let turn = 0; turn < length && !stopped && count < limit; turn++) {
        const buffer = this.#buffers[(this.#next + turn) % length] as PerfCpuBuffer;
        buffer.consume(counting);
      }
      if (length > 0) this.#next = (this.#next + 1) % length;
    } finally {
      this.#records += count;
      this.#reading = false;
      if (this.#closed) this.#release();
    }
    return count;
  }

  /**
   * Waits until there is a record on any CPU.
   *
   * @returns false when the signal was aborted, the reader closed, or the time was up.
   */
  override async wait(options: WaitForRecords = {}): Promise<boolean> {
    if (this.#closed || options.signal?.aborted) return false;
    if (this.#buffers.some((buffer) => buffer.available > 0)) return true;
    const ready = await Promise.race(this.#waiters.map((waiter) => waiter.ready(options)));
    for (const waiter of this.#waiters) waiter.stop();
    return ready;
  }

  /**
   * Waits until there is a record, and blocks this thread; -1 waits without end.
   *
   * With several CPUs it looks at each in turn, every five milliseconds.
   */
  override poll(timeout: number): boolean {
    if (this.#closed) throw closedError("read", this.name);
    checkTimeout(this.name, timeout);
    const there = (): boolean => this.#buffers.some((buffer) => buffer.available > 0);
    const end = timeout < 0 ? Infinity : performance.now() + timeout;
    const [first] = this.#waiters;
    while (!there()) {
      const left = end - performance.now();
      if (left <= 0 || first === undefined) return false;
      first.poll(this.#waiters.length === 1 && left === Infinity ? -1 : Math.min(left, 5));
    }
    return true;
  }

  /** Takes the buffers out of the map, ends every wait and unmaps them. */
  override close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const waiter of this.#waiters) waiter[Symbol.dispose]();
    if (!this.#reading) this.#release();
  }

  #openCpu(cpu: number, options: PerfBufferOptions<T>): void {
    const kernel = this.#kernel;
    const fd = kernel.perfEventOpen({
      type: PERF_TYPE_SOFTWARE,
      config: BigInt(PERF_COUNT_SW_BPF_OUTPUT),
      sampleType: BigInt(PERF_SAMPLE_RAW),
      samplePeriod: 1n,
      wakeup: options.wakeup ?? 1,
      pid: -1,
      cpu,
    });
    // A CPU that went off since the list was read has no buffer and writes nothing.
    if (failed(fd, Errno.ENODEV)) return;
    if (fd < 0) {
      throw refused(
        "open",
        this.name,
        "perf_event_open",
        fd,
        failed(fd, Errno.EACCES, Errno.EPERM)
          ? "perf_event_open is not permitted here, and a BPF token cannot delegate it: use a ring buffer"
          : undefined,
      );
    }
    const buffer = PerfCpuBuffer.map(kernel, fd, cpu, options.pages ?? 64, this.name, (count) => {
      this.#lost += count;
      options.onLost?.({ cpu, count });
    });
    this.#buffers.push(buffer);
    this.#waiters.push(new Waiter(kernel, fd));
    const result = this.#put(cpu, fd);
    if (result < 0) throw refused("open", this.name, "BPF_MAP_UPDATE_ELEM", result);
    const enabled = kernel.ioctl(fd, PERF_EVENT_IOC_ENABLE);
    if (enabled < 0) throw refused("open", this.name, "PERF_EVENT_IOC_ENABLE", enabled);
  }

  /** Puts a perf event into the map, or takes it out. */
  #put(cpu: number, fd: number | undefined): number {
    using element = this.#kernel.mapElements(this.#map.fd, 4, 4);
    new DataView(element.key.buffer, element.key.byteOffset).setUint32(0, cpu, true);
    if (fd === undefined) return element.delete();
    new DataView(element.value.buffer, element.value.byteOffset).setInt32(0, fd, true);
    return element.update();
  }

  #release(): void {
    for (const buffer of this.#buffers) {
      this.#put(buffer.cpu, undefined);
      buffer[Symbol.dispose]();
    }
    this.#buffers.length = 0;
    this.#map[Symbol.dispose]();
  }
}
