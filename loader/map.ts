/**
 * A live map: typed by the object's BTF, with the raw bytes beside it.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import { type BtfValue, codecFor } from "../btf/codec/mod.ts";
import { SkepError } from "../elf/error.ts";
import { check, KernelError } from "../kernel/error.ts";
import { Errno } from "../kernel/errno.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { linuxKernel } from "../kernel/linux.ts";
import { Mapping } from "../kernel/mapping.ts";
import { MapType, type MapTypeName, mapTypeName } from "../object/kernel_enums.ts";
import type { MapSpec } from "../object/spec.ts";
import type { Descriptor } from "./descriptor.ts";
import { type MapInfo, mapInfo } from "./info.ts";
import { pinMap } from "./map_pins.ts";
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, isPerCpu, roundUp, transferSize } from "./map_rules.ts";
import { openMap } from "./map_open.ts";
import { RawMap } from "./map_raw.ts";
import {
  type Decoder,
  type EventMap,
  openRecords,
  type RecordReader,
  records,
  type RecordsOptions,
} from "./stream/mod.ts";
import { DecodedChunk, viewOf } from "./map_chunk.ts";
import { descriptorCodec, perCpuCodec, type ValueCodec, valueCodec } from "./map_values.ts";

/** When a key's value is set. */
export type SetMode = "always" | "create" | "replace";

/** How a value is set. */
export interface SetOptions {
  /** `create` fails with EEXIST when the key is there, `replace` with ENOENT when it is not. */
  readonly mode?: SetMode;
  /** BPF_F_… beside the mode. */
  readonly flags?: number;
}

/** How a value is read. */
export interface GetOptions {
  /** BPF_F_LOCK (4) takes the value's spin lock. */
  readonly flags?: number;
}

/** What a live map is made from. */
export interface MapParts {
  /** The kernel. */
  readonly kernel: Kernel;
  /** Its descriptor, which the map will own. */
  readonly descriptor: Descriptor;
  /** The name in the object, or the kernel's. */
  readonly name: string;
  /** The number of its type. */
  readonly type: number;
  /** Bytes. */
  readonly keySize: number;
  /** Bytes. */
  readonly valueSize: number;
  /** Most elements. */
  readonly maxEntries: number;
  /** BPF_F_…. */
  readonly flags: number;
  /** The BTF that the type ids are in. */
  readonly btf?: Btf | undefined;
  /** 0 for none. */
  readonly keyTypeId: number;
  /** 0 for none. */
  readonly valueTypeId: number;
  /** Its spec, when an object made it. */
  readonly spec?: MapSpec;
  /** An arena's memory. */
  readonly arena?: Mapping;
  /** The type id of the records of a ring or perf buffer, 0 for none: asked for at first use. */
  readonly eventType?: () => number;
}

const MODES: { readonly [mode in SetMode]: number } = { always: 0, create: 1, replace: 2 };

/** Types that hold descriptors of other things and give back ids. */
const DESCRIPTORS: ReadonlySet<number> = new Set<number>([
  MapType.prog_array,
  MapType.perf_event_array,
  MapType.cgroup_array,
  MapType.array_of_maps,
  MapType.hash_of_maps,
  MapType.xskmap,
  MapType.sockmap,
  MapType.sockhash,
  MapType.reuseport_sockarray,
]);

/** Types whose keys are descriptors: of a process (pidfd), a socket, a file or a cgroup. */
const STORAGE: ReadonlySet<number> = new Set<number>([
  MapType.task_storage,
  MapType.sk_storage,
  MapType.inode_storage,
  MapType.cgrp_storage,
]);

/**
 * A map in the kernel.
 *
 * Keys and values are JS values by the map's BTF types, or numbers, bigints and bytes by their size where
 * it has none. A per-CPU map's value is an array with one value for each possible CPU. Maps that hold
 * maps, programs, sockets or perf events take things with an `fd` (or the number) and give ids; so do the
 * keys of storages of processes (pidfd), sockets, files and cgroups.
 *
 * @typeParam K The key.
 * @typeParam V The value.
 * @example
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("xdp_count.bpf.o");
 * const counts = object.maps.get("counts");
 * counts.set(7, [0n, 0n]);
 * for (const [key, perCpu] of counts) console.log(key, perCpu);
 * ```
 */
export class BpfMap<K = BtfValue, V = BtfValue> implements Disposable, Iterable<[K, V]> {
  /** The name in the object, or the kernel's for a map that was opened. */
  readonly name: string;
  /** The kernel's name of the type, or its number where this version has no name for it. */
  readonly type: MapTypeName | number;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of one value, of one CPU where each has its own. */
  readonly valueSize: number;
  /** Most elements. */
  readonly maxEntries: number;
  /** BPF_F_…, as it was created with. */
  readonly flags: number;
  /** Its spec, when an object made it. */
  readonly spec?: MapSpec;
  /** The elements as bytes. */
  readonly raw: RawMap;

  readonly #parts: MapParts;
  readonly #number: number;
  #keys: ValueCodec | undefined;
  #values: ValueCodec | undefined;
  #keyView: DataView | undefined;
  #valueView: DataView | undefined;
  #memory: Mapping | undefined;

  /** Takes over the parts' descriptor. Maps are made by `BpfObject.load` and {@linkcode BpfMap.open}. */
  constructor(parts: MapParts) {
    this.#parts = parts;
    this.#number = parts.type;
    this.name = parts.name;
    this.type = mapTypeName(parts.type) ?? parts.type;
    this.keySize = parts.keySize;
    this.valueSize = parts.valueSize;
    this.maxEntries = parts.maxEntries;
    this.flags = parts.flags;
    if (parts.spec !== undefined) this.spec = parts.spec;
    this.#memory = parts.arena;
    this.raw = new RawMap(parts.kernel, () => this.fd, {
      name: parts.name,
      keySize: parts.keySize,
      transferSize: transferSize(
        parts.type,
        parts.valueSize,
        isPerCpu(parts.type) ? parts.kernel.machine.possibleCpus : 1,
      ),
      maxEntries: parts.maxEntries,
    });
  }

  /**
   * Opens a map that exists: by id, or by the path of its pin.
   *
   * Its types come from its own BTF, where the kernel gives it. Throws a {@linkcode KernelError}.
   *
   * @example
   * ```ts ignore
   * import { BpfMap } from "@skep/skep";
   *
   * using counts = BpfMap.open("/sys/fs/bpf/counts");
   * ```
   */
  static open<K = BtfValue, V = BtfValue>(
    which: number | string,
    options: { readonly kernel?: Kernel; readonly tokenFd?: number } = {},
  ): BpfMap<K, V> {
    return new BpfMap<K, V>(openMap(which, options.kernel ?? linuxKernel(), options.tokenFd));
  }

  /** The descriptor; -1 once disposed. */
  get fd(): number {
    return this.#parts.descriptor.fd;
  }

  /** The kernel that it is in. */
  get kernel(): Kernel {
    return this.#parts.kernel;
  }

  /** The BTF that its type ids are in. */
  get btf(): Btf | undefined {
    return this.#parts.btf;
  }

  /** Type ids of key and value in {@linkcode btf}, and of the records of a ring or perf buffer; 0 for none. */
  get typeIds(): { readonly key: number; readonly value: number; readonly event: number } {
    const { keyTypeId: key, valueTypeId: value, eventType } = this.#parts;
    return { key, value, event: eventType?.() ?? 0 };
  }

  /** The value of a key; undefined when there is none. */
  get(key: K, options: GetOptions = {}): V | undefined {
    this.#putKey(key);
    return this.raw.lookup(options.flags ?? 0) ? this.#value() : undefined;
  }

  /** Whether there is a value for the key. */
  has(key: K): boolean {
    this.#putKey(key);
    return this.raw.lookup();
  }

  /** Sets a key's value. Throws a {@linkcode KernelError}: EEXIST and ENOENT by mode, E2BIG when the map is full. */
  set(key: K, value: V, options: SetOptions = {}): this {
    this.#putKey(key);
    this.#putValue(value);
    this.raw.update(MODES[options.mode ?? "always"] | (options.flags ?? 0));
    return this;
  }

  /** Deletes a key; false when there is none. */
  delete(key: K): boolean {
    this.#putKey(key);
    return this.raw.remove();
  }

  /** The value of a key, which is deleted with it; undefined when there is none (hash maps from Linux 5.14). */
  take(key: K): V | undefined {
    this.#putKey(key);
    return this.raw.lookupAndDelete() ? this.#value() : undefined;
  }

  /** Puts a value into a queue, a stack or a bloom filter. `force` drops the oldest when a queue or stack is full. */
  push(value: V, options: { readonly force?: boolean } = {}): this {
    this.#putValue(value);
    this.raw.update(options.force === true ? MODES.replace : 0);
    return this;
  }

  /** Takes the next value of a queue or stack; undefined when it is empty. */
  pop(): V | undefined {
    return this.raw.lookupAndDelete() ? this.#value() : undefined;
  }

  /** The next value of a queue or stack, which stays; undefined when it is empty. */
  peek(): V | undefined {
    return this.raw.lookup() ? this.#value() : undefined;
  }

  /** Whether a bloom filter may have seen a value: false is certain. */
  mayHave(value: V): boolean {
    this.#putValue(value);
    return this.raw.lookup();
  }

  /** All elements. Deletes and inserts meanwhile do no harm: what is there all the time is seen once. */
  *entries(): Generator<[K, V], void, undefined> {
    for (const chunk of this.#decodedChunks()) yield* chunk.entries();
  }

  /** All keys. */
  *keys(): Generator<K, void, undefined> {
    for (const chunk of this.#decodedChunks()) yield* chunk.keys();
  }

  /** All values. */
  *values(): Generator<V, void, undefined> {
    for (const chunk of this.#decodedChunks()) yield* chunk.values();
  }

  /** All elements, as {@linkcode entries}. */
  [Symbol.iterator](): Iterator<[K, V]> {
    return this.entries();
  }

  /** All elements in pieces of about `size`, each read by one system call. */
  *batches(size?: number): Generator<[K, V][], void, undefined> {
    for (const chunk of this.#decodedChunks(size)) yield [...chunk.entries()];
  }

  /** Sets many elements, by batch where the map type has it; answers how many. */
  setAll(entries: Iterable<readonly [K, V]>, options: SetOptions = {}): number {
    const flags = MODES[options.mode ?? "always"] | (options.flags ?? 0);
    const list = [...entries];
    return this.#inBatches(list, (batch, part) => {
      const keys = viewOf(batch.keys);
      const values = viewOf(batch.values);
      for (const [index, [key, value]] of part.entries()) {
        this.#keyCodec.encode(key, keys, index * this.keySize);
        this.#valueCodec.encode(value, values, index * this.raw.valueSize);
      }
      return batch.update(part.length, flags);
    }, ([key, value]) => {
      this.set(key, value, options);
      return true;
    }, "BPF_MAP_UPDATE_BATCH");
  }

  /** Deletes many keys; answers how many there were. */
  deleteAll(keys: Iterable<K>): number {
    let count = 0;
    for (const key of keys) if (this.delete(key)) count++;
    return count;
  }

  /** Deletes everything; answers how many there were. Arrays have nothing that can be deleted: EINVAL. */
  clear(): number {
    return this.deleteAll([...this.keys()]);
  }

  /** Makes the map read-only for bpf(2) calls, for good (Linux 5.2). */
  freeze(): void {
    check(this.kernel.mapFreeze(this.fd), {
      doing: "freeze map",
      subject: this.name,
      command: "BPF_MAP_FREEZE",
    });
  }

  /** Pins it in a BPF file system: it outlives this process until the file is removed. */
  pin(path: string): void {
    const result = pinMap(this.kernel, this.fd, path, this.name);
    const subject = `${this.name} at ${path}`;
    check(result, { doing: "pin map", subject, command: "BPF_OBJ_PIN" });
  }

  /** What the kernel says about it. */
  info(): MapInfo {
    return mapInfo(this.kernel, this.fd, this.name);
  }

  /**
   * The events of a ring buffer or perf buffer as they come, decoded by the object's BTF where it says what
   * they are, else as bytes. Leaving the loop or aborting the signal ends it.
   */
  records<T = BtfValue>(options: RecordsOptions<T> = {}): AsyncGenerator<T, void, undefined> {
    return records(this.kernel, this.#eventMap, { ...this.#eventDecoder<T>(), ...options });
  }

  /** Opens a ring buffer or perf buffer for reading by callback, in batches or without copies. */
  openRecords<T = BtfValue>(options: RecordsOptions<T> = {}): RecordReader<T> {
    return openRecords(this.kernel, this.#eventMap, { ...this.#eventDecoder<T>(), ...options });
  }

  /** Opens the map that a map of maps has under a key; undefined when there is none. Needs CAP_SYS_ADMIN. */
  openInner(key: K): BpfMap | undefined {
    const id = this.get(key);
    return typeof id === "number" ? BpfMap.open(id, { kernel: this.kernel }) : undefined;
  }

  /**
   * The memory of an arena or of an array with BPF_F_MMAPABLE, as a live view: what programs write shows at
   * once. It is taken away when the map is disposed of.
   */
  get memory(): Uint8Array<ArrayBuffer> {
    return this.mapping.u8;
  }

  /** The mapping behind {@linkcode memory}. */
  get mapping(): Mapping {
    return this.#memory ??= this.#mapMemory();
  }

  /** Whether the map's values can be mapped into memory. */
  get mappable(): boolean {
    return this.#memory !== undefined || (this.flags & BPF_F_MMAPABLE) !== 0;
  }

  /** Closes it. What is pinned or used by programs lives on in the kernel. */
  [Symbol.dispose](): void {
    this.raw[Symbol.dispose]();
    this.#memory?.[Symbol.dispose]();
    this.#keyView = undefined;
    this.#valueView = undefined;
    this.#parts.descriptor[Symbol.dispose]();
  }

  get #eventMap(): EventMap {
    return { fd: this.fd, name: this.name, type: this.#number, maxEntries: this.maxEntries };
  }

  #eventDecoder<T>(): RecordsOptions<T> {
    const { event } = this.typeIds;
    if (this.btf === undefined || event === 0) return {};
    return { decoder: codecFor(this.btf, event) as unknown as Decoder<T> };
  }

  get #keyCodec(): ValueCodec {
    return this.#keys ??= this.#makeKeyCodec();
  }

  get #valueCodec(): ValueCodec {
    return this.#values ??= this.#makeValueCodec();
  }

  #makeKeyCodec(): ValueCodec {
    const { btf, keyTypeId } = this.#parts;
    const what = `${this.name}'s key`;
    if (STORAGE.has(this.#number)) return descriptorCodec(this.keySize, what);
    return valueCodec(btf, keyTypeId, this.keySize, what);
  }

  #makeValueCodec(): ValueCodec {
    const { btf, valueTypeId } = this.#parts;
    const what = `${this.name}'s value`;
    if (DESCRIPTORS.has(this.#number)) return descriptorCodec(this.raw.valueSize, what);
    const one = valueCodec(btf, valueTypeId, this.valueSize, what);
    if (!isPerCpu(this.#number)) return one;
    return perCpuCodec(one, this.valueSize, this.kernel.machine.possibleCpus, what);
  }

  #putKey(key: K): void {
    const view = this.#keyView ??= viewOf(this.raw.elements.key);
    if (this.keySize > 0) this.#keyCodec.encode(key, view, 0);
  }

  #putValue(value: V): void {
    this.#valueCodec.encode(value, this.#valueView ??= viewOf(this.raw.elements.value), 0);
  }

  #value(): V {
    const view = this.#valueView ??= viewOf(this.raw.elements.value);
    return this.#valueCodec.decode(view, 0, view.byteLength) as V;
  }

  *#decodedChunks(size?: number): Generator<DecodedChunk<K, V>, void, undefined> {
    for (const { count, keys, values } of this.raw.chunks(size)) {
      yield new DecodedChunk<K, V>(count, keys, this.#keyCodec, values, this.#valueCodec, {
        key: this.keySize,
        value: this.raw.valueSize,
      });
    }
  }

  /** Runs a batch command over parts of a list, or a single command where the type has no batches. */
  #inBatches<T>(
    list: readonly T[],
    inBatch: (batch: ReturnType<RawMap["batch"]>, part: readonly T[]) => number,
    single: (item: T) => boolean,
    command: string,
  ): number {
    if (list.length < 2) return list.filter(single).length;
    let done = 0;
    using batch = this.raw.batch(Math.min(list.length, 4096));
    while (done < list.length) {
      const part = list.slice(done, done + batch.capacity);
      const result = inBatch(batch, part);
      if (result >= 0) {
        done += part.length;
      } else if (
        done === 0 && batch.count === 0 && (result === -Errno.ENOTSUPP ||
          result === -Errno.EOPNOTSUPP || result === -Errno.EINVAL)
      ) {
        return list.filter(single).length;
      } else {
        throw this.raw.failure(result, `change element ${done + batch.count} of`, command);
      }
    }
    return done;
  }

  #mapMemory(): Mapping {
    if ((this.flags & BPF_F_MMAPABLE) === 0) {
      throw new SkepError({
        doing: "map the memory of",
        subject: this.name,
        errno: "EINVAL",
        stage: "usage",
        why: "it was created without BPF_F_MMAPABLE",
      });
    }
    const { pageSize } = this.kernel.machine;
    const size = roundUp(roundUp(this.valueSize, 8) * this.maxEntries, pageSize);
    const mapping = this.kernel.map(this.fd, size, {
      writable: (this.flags & BPF_F_RDONLY_PROG) === 0,
    });
    if (mapping instanceof Mapping) return mapping;
    throw new KernelError({
      doing: "map the memory of",
      subject: this.name,
      command: "mmap",
      number: mapping,
    });
  }
}
