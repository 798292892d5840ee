/**
 * A live map: typed by the object's BTF, with the raw bytes beside it.
 *
 * @module
 */

import type { MapParts } from "./parts.ts";
import type { Btf } from "../../btf/btf.ts";
import { type BtfValue, codecFor } from "../../btf/codec/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { check, KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import type { Mapping } from "../../kernel/mapping.ts";
import { MapType, type MapTypeName, mapTypeName } from "../../uapi/enums.ts";
import type { MapSpec, VariableSpec } from "../../object/spec/spec.ts";
import { type MapInfo, mapInfo } from "./info.ts";
import { deleteMany, setMany } from "./bulk.ts";
import { createNewMap, type MapCreateOptions } from "./create.ts";
import { ElementIterator, type ElementPart, viewOf } from "./iterator.ts";
import { mapMemory } from "./memory.ts";
import { openMap } from "./open.ts";
import {
  cpuFlags,
  getFlags,
  type GetOptions,
  type Input,
  type OneCpu,
  setFlags,
  type SetOptions,
} from "./options.ts";
import { pinDescriptor } from "../../kernel/pin.ts";
import { type ChunkOptions, RawMap } from "./raw.ts";
import { isPerCpu, roundUp, transferSize } from "../../object/spec/map_rules.ts";
import { mapTypeTraits } from "../../object/spec/map_traits.ts";
import { sectionCodec, shapedKey, shapedValue } from "./shapes.ts";
import { cannotList, checkUse, hasNoKeys, unreadable, withoutCpuFlag } from "./operations.ts";
import { descriptorCodec, perCpuCodec, type ValueCodec, valueCodec } from "./values.ts";
import {
  type Decoder,
  type EventMap,
  openRecords,
  type RecordReader,
  records,
  type RecordsOptions,
} from "../stream/mod.ts";
import { BPF_F_MMAPABLE } from "../../uapi/bpf_flags.ts";

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
 * @typeParam E What the records of a ring or perf buffer are.
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
export class BpfMap<K = BtfValue, V = BtfValue, E = BtfValue>
  implements Disposable, Iterable<[K, V]> {
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
  #oneValue: ValueCodec | undefined;
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
      name: this.#subject,
      keySize: parts.keySize,
      transferSize: transferSize(
        parts.type,
        parts.valueSize,
        isPerCpu(parts.type) ? parts.kernel.machine.possibleCpus : 1,
      ),
      maxEntries: parts.maxEntries,
      restarts: parts.type === MapType.lpm_trie,
    });
  }

  /**
   * Makes a map that no object describes: one for a map of maps, or one of its own.
   *
   * Throws a {@linkcode KernelError}, or a `DelegationError` where a token does not permit it.
   *
   * @example
   * ```ts ignore
   * import { BpfMap } from "@skep/skep";
   *
   * using seen = BpfMap.create<number, bigint>({
   *   type: "hash",
   *   keySize: 4,
   *   valueSize: 8,
   *   maxEntries: 1000,
   * });
   * seen.set(7, 1n);
   * ```
   */
  static create<K = BtfValue, V = BtfValue>(options: MapCreateOptions): BpfMap<K, V> {
    return new BpfMap<K, V>(createNewMap(options.kernel ?? linuxKernel(), options));
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
  get(key: Input<K>, options?: GetOptions): V | undefined {
    this.#putKey(key);
    return this.#lookup(options === undefined ? 0 : getFlags(options)) ? this.#value() : undefined;
  }

  /** Whether there is a value for the key. */
  has(key: Input<K>): boolean {
    this.#putKey(key);
    return this.#lookup(0);
  }

  /** Sets a key's value. Throws a {@linkcode KernelError}: EEXIST and ENOENT by mode, E2BIG when the map is full. */
  set(key: Input<K>, value: Input<V>, options?: SetOptions): this {
    this.#putKey(key);
    this.#putValue(value);
    this.raw.update(options === undefined ? 0 : setFlags(options));
    return this;
  }

  /** Deletes a key; false when there is none. */
  delete(key: Input<K>): boolean {
    this.#putKey(key);
    try {
      return this.raw.remove();
    } catch (error) {
      // The kernel's word for an empty place of a sockmap, and of no other type.
      const empty = error instanceof KernelError && error.errno === "EINVAL" &&
        this.#number === MapType.sockmap;
      if (empty) return false;
      throw error;
    }
  }

  /** The value of a key, which is deleted with it; undefined when there is none (hash maps from Linux 5.14). */
  take(key: Input<K>, options: GetOptions = {}): V | undefined {
    this.#putKey(key);
    return this.raw.lookupAndDelete(getFlags(options)) ? this.#value() : undefined;
  }

  /** The value that one CPU has for a key; undefined when there is none. */
  getOnCpu(key: Input<K>, cpu: number): OneCpu<V> | undefined {
    const one = this.#oneCodec(cpu);
    this.#putKey(key);
    // Asking for one alone (BPF_F_CPU) is for the newest kernels, and all of them cost one call too.
    if (!this.#lookup(0)) return undefined;
    const at = cpu * roundUp(this.valueSize, 8);
    return one.decode(this.#valueBytes, at, at + this.valueSize) as OneCpu<V>;
  }

  /** Sets the value that one CPU has for a key, and leaves the others' alone (BPF_F_CPU: Linux 7.0, else EINVAL). */
  setOnCpu(key: Input<K>, cpu: number, value: Input<OneCpu<V>>, options: SetOptions = {}): this {
    const one = this.#oneCodec(cpu);
    this.#putKey(key);
    one.encode(value, this.#valueBytes, 0);
    try {
      this.raw.update(setFlags(options) + cpuFlags(cpu));
    } catch (error) {
      throw error instanceof KernelError ? withoutCpuFlag(error) : error;
    }
    return this;
  }

  /** Sets one value for all CPUs. */
  setOnAllCpus(key: Input<K>, value: Input<OneCpu<V>>, options: SetOptions = {}): this {
    const one = this.#oneCodec(0);
    this.#putKey(key);
    const step = roundUp(this.valueSize, 8);
    for (let cpu = 0; cpu < this.kernel.machine.possibleCpus; cpu++) {
      one.encode(value, this.#valueBytes, cpu * step);
    }
    this.raw.update(setFlags(options));
    return this;
  }

  /** Puts a value into a queue, a stack or a bloom filter. `force` drops the oldest when a queue or stack is full. */
  push(value: Input<V>, options: { readonly force?: boolean } = {}): this {
    checkUse(this.#number, this.#subject, "push");
    this.#putValue(value);
    this.raw.update(setFlags(options.force === true ? { mode: "replace" } : {}));
    return this;
  }

  /** Takes the next value of a queue or stack; undefined when it is empty. */
  pop(): V | undefined {
    checkUse(this.#number, this.#subject, "pop");
    return this.raw.lookupAndDelete() ? this.#value() : undefined;
  }

  /** The next value of a queue or stack, which stays; undefined when it is empty. */
  peek(): V | undefined {
    checkUse(this.#number, this.#subject, "pop");
    return this.raw.lookup() ? this.#value() : undefined;
  }

  /** Whether a bloom filter may have seen a value: false is certain. */
  mayHave(value: Input<V>): boolean {
    checkUse(this.#number, this.#subject, "mayHave");
    this.#putValue(value);
    return this.raw.lookup();
  }

  /**
   * All elements, read in pieces. Deletes and inserts meanwhile do no harm: what is there all the time is
   * seen once. In a map whose elements are always there (an array), all come.
   */
  entries(options: ChunkOptions = {}): ElementIterator<[K, V]> {
    return this.#elements("entries", options);
  }

  /** All keys, as {@linkcode entries}. */
  keys(options: ChunkOptions = {}): ElementIterator<K> {
    return this.#elements("keys", options);
  }

  /** All values, as {@linkcode entries}. */
  values(options: ChunkOptions = {}): ElementIterator<V> {
    return this.#elements("values", options);
  }

  /** All elements, as {@linkcode entries}. */
  [Symbol.iterator](): ElementIterator<[K, V]> {
    return this.entries();
  }

  /**
   * All elements in pieces of about `size`, each read by one system call. With `take`, each is deleted as it
   * is read: none is lost or counted twice between the two.
   */
  *batches(options: ChunkOptions = {}): Generator<[K, V][], void, undefined> {
    using elements = this.#elements<[K, V]>("entries", options);
    for (let piece = elements.nextPiece(); piece !== undefined; piece = elements.nextPiece()) {
      yield piece;
    }
  }

  /** Sets many elements, by batch where the map type has it; answers how many. */
  setAll(entries: Iterable<readonly [Input<K>, Input<V>]>, options: SetOptions = {}): number {
    const codecs = { key: this.#keyCodec, value: this.#valueCodec };
    return setMany(this.raw, [...entries], codecs, setFlags(options));
  }

  /** Deletes many keys, by batch where the map type has it; answers how many there were. */
  deleteAll(keys: Iterable<Input<K>>): number {
    return deleteMany(this.raw, [...keys], this.#keyCodec, (key) => this.delete(key));
  }

  /** Deletes everything; answers how many there were. Arrays have nothing that can be deleted: EINVAL. */
  clear(): number {
    return this.deleteAll([...this.keys()] as Input<K>[]);
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
    const result = pinDescriptor(this.kernel, this.fd, path, this.name);
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
  records<T = E>(options: RecordsOptions<T> = {}): AsyncGenerator<T, void, undefined> {
    return records(this.kernel, this.#eventMap, { ...this.#eventDecoder<T>(), ...options });
  }

  /** Opens a ring buffer or perf buffer for reading by callback, in batches or without copies. */
  openRecords<T = E>(options: RecordsOptions<T> = {}): RecordReader<T> {
    return openRecords(this.kernel, this.#eventMap, { ...this.#eventDecoder<T>(), ...options });
  }

  /** Opens the map that a map of maps has under a key; undefined when there is none. Needs CAP_SYS_ADMIN. */
  openInner(key: Input<K>): BpfMap | undefined {
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
    return this.#memory ??= mapMemory(this.kernel, { ...this.#parts, fd: this.fd });
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
    const { btf, keyTypeId, type } = this.#parts;
    const what = `${this.#subject}'s key`;
    if (this.keySize === 0) throw hasNoKeys(type, this.#subject);
    if (mapTypeTraits(type).key === "descriptor") return descriptorCodec(this.keySize, what);
    const shaped = keyTypeId === 0 ? shapedKey(this.#parts, this.keySize, what) : undefined;
    return shaped ?? valueCodec(btf, keyTypeId, this.keySize, what);
  }

  #makeValueCodec(): ValueCodec {
    const { possibleCpus } = this.kernel.machine;
    const one = this.#oneValueCodec;
    if (!isPerCpu(this.#number)) return one;
    return perCpuCodec(one as ValueCodec<BtfValue>, this.valueSize, possibleCpus, this.#valueName);
  }

  get #oneValueCodec(): ValueCodec {
    return this.#oneValue ??= this.#makeOneValueCodec();
  }

  #makeOneValueCodec(): ValueCodec {
    const { btf, valueTypeId, type, valueSize } = this.#parts;
    const what = this.#valueName;
    if (mapTypeTraits(type).value === "descriptor") {
      return descriptorCodec(this.raw.valueSize, what);
    }
    if (this.#parts.variables !== undefined) return this.#makeSectionCodec(this.#parts.variables());
    const shaped = valueTypeId === 0 ? shapedValue(this.#parts, valueSize, what) : undefined;
    return shaped ?? valueCodec(btf, valueTypeId, valueSize, what);
  }

  #makeSectionCodec(variables: readonly VariableSpec[]): ValueCodec {
    const what = this.#valueName;
    const parts = variables.map(({ name, offset, size, typeId }) => ({
      name,
      offset,
      codec: valueCodec(this.btf, typeId, size, `${what}.${name}`),
    }));
    return sectionCodec(parts, this.valueSize, what);
  }

  /** What it is called in errors: maps need no name. */
  get #subject(): string {
    return this.name || String(this.type);
  }

  get #valueName(): string {
    return `${this.#subject}'s value`;
  }

  /** The codec of one CPU's value. */
  #oneCodec(cpu: number): ValueCodec {
    const { possibleCpus } = this.kernel.machine;
    if (isPerCpu(this.#number) && Number.isInteger(cpu) && cpu >= 0 && cpu < possibleCpus) {
      return this.#oneValueCodec;
    }
    throw new SkepError({
      doing: "use the value of one CPU in map",
      subject: this.name,
      errno: "EINVAL",
      stage: "usage",
      why: isPerCpu(this.#number)
        ? `there is no CPU ${cpu}: they are 0 to ${possibleCpus - 1}`
        : `a ${this.type} has one value for all`,
    });
  }

  #putKey(key: unknown): void {
    this.#keyCodec.encode(key, this.#keyView ??= viewOf(this.raw.elements.key), 0);
  }

  #putValue(value: unknown): void {
    this.#valueCodec.encode(value, this.#valueBytes, 0);
  }

  #lookup(flags: number): boolean {
    try {
      return this.raw.lookup(flags);
    } catch (error) {
      throw error instanceof KernelError ? unreadable(error, this.#number) : error;
    }
  }

  get #valueBytes(): DataView {
    return this.#valueView ??= viewOf(this.raw.elements.value);
  }

  #value(): V {
    return this.#valueCodec.decode(this.#valueBytes, 0, this.raw.valueSize) as V;
  }

  #elements<T>(part: ElementPart, options: ChunkOptions): ElementIterator<T> {
    const refused = cannotList(this.#number, this.#subject);
    if (refused !== undefined) throw refused;
    return new ElementIterator<T>(this.raw.chunks(options), {
      key: this.#keyCodec,
      value: this.#valueCodec,
      keySize: this.keySize,
      valueSize: this.raw.valueSize,
      unreadable: (error) => unreadable(error, this.#number),
    }, part);
  }
}
