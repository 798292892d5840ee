/**
 * Maps that transport records: ring buffers, perf event arrays, user ring buffers.
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

/** Readers and writers that a map has opened; closed with the map. */
class Readers implements Disposable {
  readonly #open = new Set<Disposable & { readonly closed: boolean }>();

  /** Registers a reader, which is closed when the map is disposed. */
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

/** Returns the decoder of a map's records if the object's BTF has their type. */
function eventDecoder<T>({ btf, eventType }: MapParts): RecordsOptions<T> {
  const id = eventType?.() ?? 0;
  if (btf === undefined || id === 0) return {};
  const decoder: Decoder<unknown> = codecFor(btf, id);
  return { decoder: decoder as Decoder<T> };
}

/**
 * A ring buffer: transports records from programs, ordered across CPUs (Linux 5.8).
 *
 * @typeParam E The type of records.
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
   * Takes ownership of the parts' descriptor. Use `BpfObject.load`, `BpfMap.create` or `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
  }

  /**
   * Yields the records as they arrive, decoded if the object's BTF has their type, else as bytes. Leaving the loop,
   * aborting the signal or disposing the map ends the stream.
   */
  records<T = E>(options: RecordsOptions<T> = {}): AsyncGenerator<T, void, undefined> {
    return records(() => this.openRecords(options), options);
  }

  /**
   * Opens a reader of the map's records: by callback, in batches or one by one. The reader is closed with the
   * map.
   */
  openRecords<T = E>(options: RecordsOptions<T> = {}): RecordReader<T> {
    const { kernel, maxEntries, subject: name } = this;
    const fd = this.open("read map");
    const all = { name, ...eventDecoder<T>(this.parts), ...options };
    return this.#readers.add(RingBuffer.open(kernel, fd, maxEntries, all));
  }

  /** Closes the map and the readers that it opened. */
  override [Symbol.dispose](): void {
    this.#readers[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/**
 * A perf event array: one perf event per CPU, to which programs send records.
 *
 * @typeParam E The type of records.
 */
export class PerfEventArray<E> extends DescriptorMap<number> {
  readonly #readers = new Readers();

  /**
   * Yields the records of all CPUs as they arrive, decoded if the object's BTF has their type, else as bytes.
   * Leaving the loop, aborting the signal or disposing the map ends the stream.
   */
  records<T = E>(options: RecordsOptions<T> = {}): AsyncGenerator<T, void, undefined> {
    return records(() => this.openRecords(options), options);
  }

  /**
   * Opens a reader of the map's records: by callback, in batches or one by one. The reader is closed with the
   * map.
   */
  openRecords<T = E>(options: RecordsOptions<T> = {}): RecordReader<T> {
    const { kernel, maxEntries, subject: name } = this;
    const fd = this.open("read map");
    const all = { name, ...eventDecoder<T>(this.parts), ...options };
    return this.#readers.add(PerfBuffer.open(kernel, fd, maxEntries, all));
  }

  /** Closes the map and the readers that it opened. */
  override [Symbol.dispose](): void {
    this.#readers[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/**
 * A user ring buffer: transports records to programs (Linux 6.1).
 *
 * @typeParam E The type of records.
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
   * Takes ownership of the parts' descriptor. Use `BpfObject.load`, `BpfMap.create` or `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
  }

  /** Opens the map for writing. A map must have one writer at a time. The writer is closed with the map. */
  openWriter<T = E>(options: WriterOptions<T> = {}): UserRingBuffer<T> {
    const { kernel, maxEntries, subject: name } = this;
    const fd = this.open("write to map");
    return this.#writers.add(UserRingBuffer.open(kernel, fd, maxEntries, { name, ...options }));
  }

  /** Closes the map and the writers that it opened. */
  override [Symbol.dispose](): void {
    this.#writers[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}
