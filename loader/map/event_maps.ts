/**
 * Maps that carry records: ring buffers, perf event arrays, user ring buffers.
 *
 * @module
 */

import { codecFor } from "../../btf/codec/mod.ts";
import {
  type Decoder,
  PerfBuffer,
  type RecordReader,
  records,
  type RecordsOptions,
  RingBuffer,
  UserRingBuffer,
} from "../stream/mod.ts";
import { DescriptorMap } from "./holder_maps.ts";
import { LiveMap } from "./live_map.ts";
import type { WriterOptions } from "./options.ts";
import type { MapParts } from "./parts.ts";

/** The readers that a map has opened: they end with it. */
class Readers implements Disposable {
  readonly #open = new Set<Disposable & { readonly closed: boolean }>();

  /** Keeps a reader until the map is disposed of. */
  add<T extends Disposable & { readonly closed: boolean }>(reader: T): T {
    for (const other of this.#open) if (other.closed) this.#open.delete(other);
    this.#open.add(reader);
    return reader;
  }

  [Symbol.dispose](): void {
    for (const reader of this.#open) reader[Symbol.dispose]();
    this.#open.clear();
  }
}

/** How a map's records are decoded: by the object's BTF where it says what they are. */
function eventDecoder<T>({ btf, eventType }: MapParts): RecordsOptions<T> {
  const id = eventType?.() ?? 0;
  if (btf === undefined || id === 0) return {};
  const decoder: Decoder<unknown> = codecFor(btf, id);
  return { decoder: decoder as Decoder<T> };
}

/**
 * A ring buffer: records from programs, in one order for all CPUs (Linux 5.8).
 *
 * @typeParam E A record.
 * @example
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("execsnoop.bpf.o");
 * using links = object.attach();
 * for await (const event of object.maps.get("events").records()) console.log(event);
 * ```
 */
export class RingBufferMap<E> extends LiveMap {
  readonly #readers = new Readers();

  /**
   * Takes over the parts' descriptor. Maps are made by `BpfObject.load`, `BpfMap.create` and `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
  }

  /**
   * The records as they come, decoded by the object's BTF where it says what they are, else as bytes.
   * Leaving the loop, aborting the signal or disposing of the map ends it.
   */
  records<T = E>(options: RecordsOptions<T> = {}): AsyncGenerator<T, void, undefined> {
    return records(() => this.openRecords(options), options);
  }

  /** Opens the map for reading by callback, in batches or one by one. The reader ends with the map. */
  openRecords<T = E>(options: RecordsOptions<T> = {}): RecordReader<T> {
    const { kernel, maxEntries, subject: name } = this;
    const fd = this.open("read map");
    const all = { name, ...eventDecoder<T>(this.parts), ...options };
    return this.#readers.add(RingBuffer.open(kernel, fd, maxEntries, all));
  }

  /** Closes it, and the readers that it opened. */
  override [Symbol.dispose](): void {
    this.#readers[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/**
 * A perf event array: perf events by CPU, to which programs send records.
 *
 * @typeParam E A record.
 */
export class PerfEventArray<E> extends DescriptorMap<number> {
  readonly #readers = new Readers();

  /**
   * The records of all CPUs as they come, decoded by the object's BTF where it says what they are, else as
   * bytes. Leaving the loop, aborting the signal or disposing of the map ends it.
   */
  records<T = E>(options: RecordsOptions<T> = {}): AsyncGenerator<T, void, undefined> {
    return records(() => this.openRecords(options), options);
  }

  /** Opens the map for reading by callback, in batches or one by one. The reader ends with the map. */
  openRecords<T = E>(options: RecordsOptions<T> = {}): RecordReader<T> {
    const { kernel, maxEntries, subject: name } = this;
    const fd = this.open("read map");
    const all = { name, ...eventDecoder<T>(this.parts), ...options };
    return this.#readers.add(PerfBuffer.open(kernel, fd, maxEntries, all));
  }

  /** Closes it, and the readers that it opened. */
  override [Symbol.dispose](): void {
    this.#readers[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/**
 * A user ring buffer: records to programs (Linux 6.1).
 *
 * @typeParam E What is written.
 * @example
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("commands.bpf.o");
 * using writer = object.maps.get("commands").openWriter();
 * if (!writer.write(new Uint8Array([1, 2, 3]))) console.log("full");
 * ```
 */
export class UserRingBufferMap<E = Uint8Array> extends LiveMap {
  readonly #writers = new Readers();

  /**
   * Takes over the parts' descriptor. Maps are made by `BpfObject.load`, `BpfMap.create` and `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
  }

  /** Opens the map for writing; there must be one writer. The writer ends with the map. */
  openWriter<T = E>(options: WriterOptions<T> = {}): UserRingBuffer<T> {
    const { kernel, maxEntries, subject: name } = this;
    const fd = this.open("write to map");
    return this.#writers.add(UserRingBuffer.open(kernel, fd, maxEntries, { name, ...options }));
  }

  /** Closes it, and the writers that it opened. */
  override [Symbol.dispose](): void {
    this.#writers[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}
