/**
 * Maps of the {@linkcode FakeKernel}: element semantics of the kernel's maps, in memory.
 *
 * @module
 */

import { MapType } from "../../uapi/enums.ts";
import { Errno } from "../../uapi/errno.ts";
import type { MapBatch, MapCreate, MapElements, Result } from "../kernel.ts";
import { Mapping } from "../mapping.ts";
import { FakeRing } from "./ring.ts";
import { BPF_EXIST, BPF_F_MMAPABLE, BPF_NOEXIST } from "../../uapi/bpf_flags.ts";

/** Types whose keys are indices. */
const indexed: ReadonlySet<number> = new Set([
  MapType.array,
  MapType.percpu_array,
  MapType.prog_array,
  MapType.perf_event_array,
  MapType.array_of_maps,
  MapType.cgroup_array,
  MapType.devmap,
  MapType.cpumap,
  MapType.xskmap,
  MapType.sockmap,
]);
/** Types whose slots are empty until an update. */
const sparse: ReadonlySet<number> = new Set([
  MapType.prog_array,
  MapType.perf_event_array,
  MapType.array_of_maps,
  MapType.cgroup_array,
  MapType.devmap,
  MapType.cpumap,
  MapType.xskmap,
  MapType.sockmap,
]);
/** Types that evict their oldest element when they are full. */
const evicting: ReadonlySet<number> = new Set([MapType.lru_hash, MapType.lru_percpu_hash]);

/** A map in memory: elements by the bytes of their key, in insertion order. */
export class FakeMap {
  /** The attributes of BPF_MAP_CREATE. */
  readonly attributes: MapCreate;
  /** Whether BPF_MAP_FREEZE was called. */
  frozen = false;
  /** The producer side of a ring buffer map. */
  readonly ring: FakeRing | undefined;

  #elements: Map<string, Uint8Array<ArrayBuffer>> = new Map();
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #storage: Uint8Array<ArrayBuffer> | undefined;
  #mappings = 0;

  /** Creates an empty map. */
  constructor(attributes: MapCreate) {
    this.attributes = attributes;
    const { type, maxEntries } = attributes;
    this.ring = type === MapType.ringbuf ? new FakeRing(maxEntries) : undefined;
  }

  /** The number of elements. */
  get size(): number {
    return this.#isQueue ? this.#queue.length : this.#elements.size;
  }

  /** Whether keys are indices. */
  get indexed(): boolean {
    return indexed.has(this.attributes.type);
  }

  get #isQueue(): boolean {
    return this.attributes.type === MapType.queue || this.attributes.type === MapType.stack;
  }

  /** The memory of an array map with BPF_F_MMAPABLE, allocated on first use. */
  get #flat(): Uint8Array<ArrayBuffer> | undefined {
    const { type, flags = 0, valueSize, maxEntries } = this.attributes;
    if (type !== MapType.array || (flags & BPF_F_MMAPABLE) === 0) return undefined;
    return this.#storage ??= new Uint8Array(stride(valueSize) * maxEntries);
  }

  /** Implements BPF_MAP_LOOKUP_ELEM into `value`. */
  lookup(key: Uint8Array, value: Uint8Array): Result {
    if (this.#isQueue) {
      const found = this.#queue[0];
      if (found === undefined) return -Errno.ENOENT;
      value.set(found);
      return 0;
    }
    const found = this.#find(key);
    if (found === undefined) return -Errno.ENOENT;
    value.set(found.subarray(0, value.length));
    return 0;
  }

  #find(key: Uint8Array): Uint8Array | undefined {
    if (!this.indexed) return this.#elements.get(key.toHex());
    const index = indexOf(key);
    if (index >= this.attributes.maxEntries) return undefined;
    const flat = this.#flat;
    if (flat !== undefined) return flat.subarray(index * stride(this.attributes.valueSize));
    const found = this.#elements.get(key.toHex());
    return found ?? (sparse.has(this.attributes.type) ? undefined : new Uint8Array(0));
  }

  /** Implements BPF_MAP_UPDATE_ELEM. */
  update(key: Uint8Array, value: Uint8Array, flags: number): Result {
    if (this.frozen) return -Errno.EPERM;
    const { type, maxEntries } = this.attributes;
    const existence = flags & (BPF_NOEXIST | BPF_EXIST);
    if (this.#isQueue) {
      if (this.#queue.length >= maxEntries) {
        if (existence !== BPF_EXIST) return -Errno.E2BIG;
        this.#queue.pop();
      }
      if (type === MapType.stack) this.#queue.unshift(value.slice());
      else this.#queue.push(value.slice());
      return 0;
    }
    if (existence === 3) return -Errno.EINVAL;
    const name = key.toHex();
    if (this.indexed) {
      const index = indexOf(key);
      if (index >= maxEntries) return -Errno.E2BIG;
      if (existence === BPF_NOEXIST) return -Errno.EEXIST;
      const flat = this.#flat;
      if (flat !== undefined) flat.set(value, index * stride(this.attributes.valueSize));
      else this.#elements.set(name, padded(value, value.length));
      return 0;
    }
    const there = this.#elements.has(name);
    if (existence === BPF_NOEXIST && there) return -Errno.EEXIST;
    if (existence === BPF_EXIST && !there) return -Errno.ENOENT;
    if (!there && this.#elements.size >= maxEntries) {
      if (!evicting.has(type)) return -Errno.E2BIG;
      const oldest = this.#elements.keys().next().value;
      if (oldest !== undefined) this.#elements.delete(oldest);
    }
    this.#elements.set(name, value.slice());
    return 0;
  }

  /** Implements BPF_MAP_DELETE_ELEM. */
  delete(key: Uint8Array): Result {
    if (this.frozen) return -Errno.EPERM;
    if (this.#isQueue) return -Errno.EINVAL;
    if (this.indexed && !sparse.has(this.attributes.type)) return -Errno.EINVAL;
    return this.#elements.delete(key.toHex()) ? 0 : -Errno.ENOENT;
  }

  /** Implements BPF_MAP_LOOKUP_AND_DELETE_ELEM. */
  lookupAndDelete(key: Uint8Array, value: Uint8Array): Result {
    if (this.indexed) return -Errno.ENOTSUPP;
    const result = this.lookup(key, value);
    if (result < 0) return result;
    if (this.frozen) return -Errno.EPERM;
    if (this.#isQueue) this.#queue.shift();
    else this.#elements.delete(key.toHex());
    return 0;
  }

  /**
   * Implements BPF_MAP_GET_NEXT_KEY; a key that does not exist restarts the walk, as in kernel hash maps.
   */
  next(key: Uint8Array | undefined, nextKey: Uint8Array): Result {
    if (this.#isQueue) return -Errno.EINVAL;
    if (this.indexed) {
      const { maxEntries } = this.attributes;
      const at = key === undefined ? 0 : indexOf(key) >= maxEntries ? 0 : indexOf(key) + 1;
      if (at >= maxEntries) return -Errno.ENOENT;
      new DataView(nextKey.buffer, nextKey.byteOffset).setUint32(0, at, true);
      return 0;
    }
    const name = key !== undefined && this.#elements.has(key.toHex())
      ? following(this.#elements, key.toHex())
      : this.#elements.keys().next().value;
    if (name === undefined) return -Errno.ENOENT;
    nextKey.set(Uint8Array.fromHex(name));
    return 0;
  }

  /**
   * Returns a mapping that shares the map's memory. Disposing of one of several mappings leaves the views
   * of all of them valid; the last one detaches them.
   */
  mapping(size: number, offset: number = 0): Mapping | Result {
    if (this.ring !== undefined) return this.ring.mapping(offset);
    const flat = this.#flat;
    if (flat === undefined) return -Errno.ENOTSUPP;
    if (size > Math.ceil(flat.length / 4096) * 4096) return -Errno.EINVAL;
    if (flat.length < size) {
      const grown = new Uint8Array(Math.ceil(flat.length / 4096) * 4096);
      grown.set(flat);
      this.#storage = grown;
    }
    this.#mappings++;
    return new SharedMapping((this.#storage as Uint8Array<ArrayBuffer>).buffer, () => {
      // The map outlives its last mapping and continues with a copy.
      if (--this.#mappings === 0) this.#storage = this.#storage?.slice();
    });
  }
}

class SharedMapping extends Mapping {
  #before: (() => void) | undefined;

  constructor(buffer: ArrayBuffer, before: () => void) {
    super(buffer);
    this.#before = before;
  }

  override [Symbol.dispose](): void {
    this.#before?.();
    this.#before = undefined;
    super[Symbol.dispose]();
  }
}

function following(elements: Map<string, unknown>, name: string): string | undefined {
  let found = false;
  for (const each of elements.keys()) {
    if (found) return each;
    found = each === name;
  }
  return undefined;
}

function stride(valueSize: number): number {
  return Math.ceil(valueSize / 8) * 8;
}

function indexOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset, key.length).getUint32(0, true);
}

function padded(value: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  bytes.set(value);
  return bytes;
}

/** Logs a command, and runs `work` unless an error was injected. */
export type Run = (command: string, attributes: unknown, work: () => Result) => Result;
/** Returns the map behind a descriptor, or `-errno`. */
export type FindMap = () => FakeMap | Result;

/** Implements {@linkcode MapElements} on a {@linkcode FakeMap}. */
export class FakeMapElements implements MapElements {
  readonly key: Uint8Array<ArrayBuffer>;
  readonly value: Uint8Array<ArrayBuffer>;
  readonly nextKey: Uint8Array<ArrayBuffer>;
  #run: Run;
  #find: FindMap;

  /** Allocates buffers; sizes in bytes as the system call copies them. */
  constructor(run: Run, find: FindMap, keySize: number, valueSize: number) {
    this.#run = run;
    this.#find = find;
    this.key = new Uint8Array(keySize);
    this.nextKey = new Uint8Array(keySize);
    this.value = new Uint8Array(valueSize);
  }

  lookup(_flags: number = 0): Result {
    return this.#do("map_lookup_elem", (map) => {
      this.value.fill(0);
      return map.lookup(this.key, this.value);
    });
  }
  lookupAndDelete(_flags: number = 0): Result {
    return this.#do(
      "map_lookup_and_delete_elem",
      (map) => map.lookupAndDelete(this.key, this.value),
    );
  }
  update(flags: number = 0): Result {
    return this.#do("map_update_elem", (map) => map.update(this.key, this.value, flags));
  }
  delete(): Result {
    return this.#do("map_delete_elem", (map) => map.delete(this.key));
  }
  next(first: boolean): Result {
    return this.#do(
      "map_get_next_key",
      (map) => map.next(first ? undefined : this.key, this.nextKey),
    );
  }

  #do(command: string, work: (map: FakeMap) => Result): Result {
    return this.#run(command, { key: this.key.toHex() }, () => {
      const map = this.#find();
      return typeof map === "number" ? map : work(map);
    });
  }

  [Symbol.dispose](): void {
    this.#find = () => -Errno.EFAULT;
  }
}

/** Implements {@linkcode MapBatch} on a {@linkcode FakeMap}. */
export class FakeMapBatch implements MapBatch {
  readonly capacity: number;
  readonly keys: Uint8Array<ArrayBuffer>;
  readonly values: Uint8Array<ArrayBuffer>;
  #run: Run;
  #find: FindMap;
  #keySize: number;
  #valueSize: number;
  #cursor: Uint8Array<ArrayBuffer> | undefined;
  #count = 0;

  /** Allocates buffers; sizes in bytes as the system call copies them. */
  constructor(run: Run, find: FindMap, keySize: number, valueSize: number, capacity: number) {
    this.#run = run;
    this.#find = find;
    this.#keySize = keySize;
    this.#valueSize = valueSize;
    this.capacity = capacity;
    this.keys = new Uint8Array(keySize * capacity);
    this.values = new Uint8Array(valueSize * capacity);
  }

  get count(): number {
    return this.#count;
  }

  rewind(): void {
    this.#cursor = undefined;
  }

  resume(from: MapBatch): void {
    if (from instanceof FakeMapBatch) this.#cursor = from.#cursor?.slice();
  }

  lookup(_flags: number = 0): Result {
    return this.#walk("map_lookup_batch", false);
  }
  lookupAndDelete(_flags: number = 0): Result {
    return this.#walk("map_lookup_and_delete_batch", true);
  }
  update(count: number, flags: number = 0): Result {
    return this.#each(
      "map_update_batch",
      count,
      (map, key, value) => map.update(key, value, flags),
    );
  }
  delete(count: number, _flags: number = 0): Result {
    return this.#each("map_delete_batch", count, (map, key) => map.delete(key));
  }

  #key(index: number): Uint8Array<ArrayBuffer> {
    return this.keys.subarray(index * this.#keySize, (index + 1) * this.#keySize);
  }
  #value(index: number): Uint8Array<ArrayBuffer> {
    return this.values.subarray(index * this.#valueSize, (index + 1) * this.#valueSize);
  }

  #walk(command: string, remove: boolean): Result {
    this.#count = 0;
    return this.#run(command, { capacity: this.capacity }, () => {
      const map = this.#find();
      if (typeof map === "number") return map;
      if (remove && map.indexed) return -Errno.ENOTSUPP;
      let at = this.#cursor;
      while (this.#count < this.capacity) {
        const key = this.#key(this.#count);
        if (map.next(remove ? undefined : at, key) < 0) return -Errno.ENOENT;
        map.lookup(key, this.#value(this.#count));
        if (remove) map.delete(key);
        at = key.slice();
        this.#count++;
      }
      this.#cursor = at;
      return 0;
    });
  }

  #each(
    command: string,
    count: number,
    work: (map: FakeMap, key: Uint8Array, value: Uint8Array) => Result,
  ): Result {
    this.#count = 0;
    return this.#run(command, { count }, () => {
      const map = this.#find();
      if (typeof map === "number") return map;
      for (let index = 0; index < Math.min(count, this.capacity); index++) {
        const result = work(map, this.#key(index), this.#value(index));
        if (result < 0) return result;
        this.#count++;
      }
      return 0;
    });
  }

  [Symbol.dispose](): void {
    this.#find = () => -Errno.EFAULT;
  }
}
