/**
 * Reads perf buffers (`BPF_MAP_TYPE_PERF_EVENT_ARRAY`): one buffer per CPU, with counts of lost records.
 *
 * Records are ordered per CPU, not across CPUs. Ring buffers (Linux 5.8) need less memory and keep the order; perf
 * buffers serve older kernels and objects that use them.
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

/** Options of opening a perf buffer. */
export interface PerfBufferOptions<T> {
  /** The name that errors show. @default {"perf buffer"} */
  readonly name?: string | undefined;
  /** Decodes a record into a value; without it, records are copies of their bytes. */
  readonly decoder?: Decoder<T> | undefined;
  /** Number of data pages per CPU, a power of two. @default {64} */
  readonly pages?: number | undefined;
  /**
   * Number of records after which a waiting reader is woken; higher values cost less and add latency.
   *
   * @default {1}
   */
  readonly wakeup?: number | undefined;
  /** Called for each loss that the kernel reports, with the number of lost records of a CPU. */
  readonly onLost?: ((lost: { readonly cpu: number; readonly count: number }) => void) | undefined;
}

/**
 * Consumer of a perf event array. Opens a buffer on every online CPU and puts its perf event into the map.
 *
 * The kernel pads samples, so a record may be some bytes longer than the data that the program wrote.
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
 * @typeParam T The type that a record is decoded to.
 */
export class PerfBuffer<T = Uint8Array<ArrayBuffer>> extends RecordReader<T> {
  readonly #kernel: Kernel;
  /** A duplicate of the map's descriptor, needed at close to remove the perf events from the map. */
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
   * Opens a buffer on every online CPU. Duplicates the map's descriptor, so the caller may close its own.
   *
   * perf_event_open takes no token: it needs CAP_PERFMON (or root) in the initial user namespace.
   *
   * @param kernel The kernel that has the map.
   * @param mapFd A descriptor of the map.
   * @param maxEntries The map's max_entries; CPUs from that number on get no buffer.
   * @throws {SkepError} when `pages` is not a power of two.
   * @throws {KernelError} when the kernel refuses a perf event, its mapping or its map element.
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

  /** Number of records read so far. */
  override get records(): number {
    return this.#records;
  }

  /**
   * Number of records that found a full buffer, as reported so far: the kernel reports a loss once there is
   * space again.
   */
  override get lost(): number {
    return this.#lost;
  }

  /** Whether the reader is closed. */
  override get closed(): boolean {
    return this.#closed;
  }

  /** Numbers of the CPUs that have a buffer. */
  get cpus(): number[] {
    return this.#buffers.map((buffer) => buffer.cpu);
  }

  /**
   * Calls `callback` for each available record of each CPU, without waiting. Records are read in place, except
   * those that wrap around the end of their buffer, which are copied.
   *
   * @param limit Largest number of records to read. Successive calls start at successive CPUs.
   * @throws {SkepError} when the reader is closed, or called from its own callback.
   */
  override consume(callback: RecordCallback, limit: number = Infinity): number {
    if (this.#closed) throw closedError("read", this.name);
    checkLimit(this.name, limit);
    if (this.#reading) {
      throw streamError("read", this.name, "it is already being read: a callback has not returned");
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
   * Waits until a record is available on any CPU.
   *
   * @returns true when one is; false when the signal was aborted, the reader closed, or the timeout expired.
   */
  override async wait(options: WaitForRecords = {}): Promise<boolean> {
    if (this.#closed || options.signal?.aborted) return false;
    if (this.#buffers.some((buffer) => buffer.available > 0)) return true;
    const ready = await Promise.race(this.#waiters.map((waiter) => waiter.ready(options)));
    for (const waiter of this.#waiters) waiter.stop();
    return ready;
  }

  /**
   * Blocks this thread until a record is available, at most `timeout` milliseconds; -1 waits without a limit.
   *
   * It waits on the first CPU's buffer and checks all buffers every five milliseconds; with one CPU and no limit it
   * only waits.
   *
   * @throws {SkepError} when the reader is closed, or `timeout` is not a number of at least -1.
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

  /** Ends all waits, removes the perf events from the map and unmaps the buffers. */
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
    // A CPU that went offline since the list was read needs no buffer.
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

  /** Puts a perf event into the map, or removes it when `fd` is undefined. */
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
