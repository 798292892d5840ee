/**
 * BPF_MAP_CREATE, BPF_MAP_FREEZE, and the element and batch commands.
 *
 * @module
 */

import { Command } from "../../uapi/enums.ts";
import type { MapBatch, MapCreate, MapElements, Result } from "../kernel.ts";
import type { Block } from "./ffi/memory.ts";
import type { Native } from "./ffi/native.ts";
import { wholeNumber } from "../arguments.ts";
import { checkSizes, useDescriptor } from "./map_room.ts";
import { systemCalls } from "./ffi/syscalls.ts";
import { attributes } from "../../uapi/layouts.ts";
import { BPF_F_TOKEN_FD } from "../../uapi/bpf_flags.ts";
import { endOf } from "../../uapi/fields.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** BPF_MAP_CREATE. */
export function mapCreate(native: Native, map: MapCreate): Result {
  using frame = native.frame();
  const field = attributes.map_create;
  const attr = native.attributes.begin();
  const token = map.tokenFd;
  wholeNumber(map.keySize, "keySize of a map");
  wholeNumber(map.valueSize, "valueSize of a map");
  wholeNumber(map.maxEntries, "maxEntries of a map");
  attr.set(field.map_type, map.type).set(field.key_size, map.keySize)
    .set(field.value_size, map.valueSize).set(field.max_entries, map.maxEntries)
    .set(field.map_flags, token === undefined ? map.flags : (map.flags ?? 0) | BPF_F_TOKEN_FD)
    .set(field.inner_map_fd, map.innerMapFd).set(field.numa_node, map.numaNode)
    .name(field.map_name, map.name).set(field.map_ifindex, map.ifindex)
    .set(field.btf_fd, map.btfFd).set(field.btf_key_type_id, map.keyTypeId)
    .set(field.btf_value_type_id, map.valueTypeId)
    .set(field.btf_vmlinux_value_type_id, map.vmlinuxValueTypeId)
    .set(field.map_extra, map.mapExtra)
    .set(field.value_type_btf_obj_fd, map.valueTypeBtfObjFd).set(field.map_token_fd, token);
  const hash = map.exclusiveProgramHash;
  if (hash !== undefined) {
    attr.set(field.excl_prog_hash, frame.bytes(hash)).set(field.excl_prog_hash_size, hash.length);
  }
  return attr.command(Command.map_create);
}

/** BPF_MAP_FREEZE. */
export function mapFreeze(native: Native, mapFd: number): Result {
  return native.attributes.begin().set(attributes.element.map_fd, mapFd)
    .command(Command.map_freeze);
}

/** Size of the attributes of an element command in bytes, and the indices of its fields in 32-bit words. */
const ELEMENT_SIZE: number = endOf(attributes.element.flags);
const MAP_FD: number = attributes.element.map_fd[0] / 4;
const KEY: number = attributes.element.key[0] / 4;
const VALUE: number = attributes.element.value[0] / 4;
const FLAGS: number = attributes.element.flags[0] / 4;
/** The same for BPF_MAP_GET_NEXT_KEY, whose attributes end before the flags. */
const NEXT_KEY_SIZE: number = endOf(attributes.element.next_key);
const NEXT_KEY: number = ELEMENT_SIZE / 4 + KEY;
/** BPF_MAP_DELETE_ELEM requires zeros after the key, so its attributes end there. */
const DELETE_SIZE: number = endOf(attributes.element.key);
const { map_lookup_elem: LOOKUP, map_update_elem: UPDATE, map_delete_elem: DELETE } = Command;
const { map_get_next_key: GET_NEXT_KEY, map_lookup_and_delete_elem: LOOKUP_AND_DELETE } = Command;

function aligned(size: number): number {
  return Math.max(8, Math.ceil(size / 8) * 8);
}

/** Implements {@linkcode MapElements} with two prepared attributes: a call writes nothing but its flags. */
export class LinuxMapElements implements MapElements {
  readonly key: Uint8Array<ArrayBuffer>;
  readonly value: Uint8Array<ArrayBuffer>;
  readonly nextKey: Uint8Array<ArrayBuffer>;

  #blocks: Block[];
  #syscall32: Native["syscall32"];
  #errno: Int32Array<ArrayBuffer>;
  #words: Uint32Array<ArrayBuffer>;
  #element: Deno.PointerValue;
  #next: Deno.PointerValue;
  #keyLow: number;
  #keyHigh: number;
  #flags = 0;
  #release: () => void;

  /**
   * Allocates the buffers; the caller keeps ownership of `mapFd`.
   *
   * @throws {SkepError} EINVAL for sizes smaller than the map's.
   */
  constructor(native: Native, mapFd: number, keySize: number, valueSize: number) {
    checkSizes(native, mapFd, keySize, valueSize);
    const attrs = native.memory.allocate(2 * ELEMENT_SIZE);
    const room = aligned(keySize);
    // The exposed views are on a separate block, so that they cannot overwrite the attributes.
    const data = native.memory.allocate(2 * room + aligned(valueSize));
    this.#blocks = [attrs, data];
    this.#syscall32 = native.syscall32;
    this.#errno = native.errno;
    this.#element = attrs.pointer;
    this.#next = addressPointer(attrs.address + ELEMENT_SIZE);
    this.key = data.u8.subarray(0, keySize);
    this.nextKey = data.u8.subarray(room, room + keySize);
    this.value = data.u8.subarray(2 * room, 2 * room + valueSize);
    const words = this.#words = attrs.u32;
    // Maps without keys (queue, stack, bloom filter) require a null key pointer: EINVAL otherwise.
    const key = keySize === 0 ? 0 : data.address;
    const [next, value] = [data.address + room, data.address + 2 * room];
    this.#keyLow = key >>> 0;
    this.#keyHigh = Math.floor(key / 2 ** 32);
    for (const [at, last] of [[0, value], [ELEMENT_SIZE / 4, next]] as const) {
      words[at + MAP_FD] = mapFd;
      setLong(words, at + KEY, key);
      setLong(words, at + VALUE, last);
    }
    this.#release = useDescriptor(mapFd, this);
  }

  lookup(flags: number = 0): Result {
    if (flags !== this.#flags) this.#setFlags(flags);
    const result = this.#syscall32(systemCalls.bpf, LOOKUP, this.#element, ELEMENT_SIZE);
    return result < 0 ? this.#refusal() : result;
  }

  update(flags: number = 0): Result {
    if (flags !== this.#flags) this.#setFlags(flags);
    const result = this.#syscall32(systemCalls.bpf, UPDATE, this.#element, ELEMENT_SIZE);
    return result < 0 ? this.#refusal() : result;
  }

  delete(): Result {
    if (this.#flags !== 0) this.#setFlags(0);
    const result = this.#syscall32(systemCalls.bpf, DELETE, this.#element, DELETE_SIZE);
    return result < 0 ? this.#refusal() : result;
  }

  lookupAndDelete(flags: number = 0): Result {
    if (flags !== this.#flags) this.#setFlags(flags);
    const result = this.#syscall32(systemCalls.bpf, LOOKUP_AND_DELETE, this.#element, ELEMENT_SIZE);
    return result < 0 ? this.#refusal() : result;
  }

  next(first: boolean): Result {
    const words = this.#words;
    words[NEXT_KEY] = first ? 0 : this.#keyLow;
    words[NEXT_KEY + 1] = first ? 0 : this.#keyHigh;
    const result = this.#syscall32(systemCalls.bpf, GET_NEXT_KEY, this.#next, NEXT_KEY_SIZE);
    return result < 0 ? this.#refusal() : result;
  }

  /** Returns the errno of the last command; it must be read before anything allocates. */
  #refusal(): Result {
    const errno = this.#errno[0] as number;
    return this.#element === null ? -Errno.EBADF : -errno;
  }

  #setFlags(flags: number): void {
    this.#flags = flags;
    setLong(this.#words, FLAGS, flags);
  }

  /** Frees the buffers; every later command returns -EBADF. Closing the map's descriptor does the same. */
  [Symbol.dispose](): void {
    // With null attributes the kernel writes nothing, whichever map has the descriptor's number now.
    this.#element = this.#next = null;
    this.#release();
    for (const block of this.#blocks) block[Symbol.dispose]();
  }
}

/** Size of the attributes of a batch command in bytes, and the indices of its fields in 32-bit words. */
const BATCH_SIZE: number = endOf(attributes.batch.flags);
const IN: number = attributes.batch.in_batch[0] / 4;
const OUT: number = attributes.batch.out_batch[0] / 4;
const COUNT: number = attributes.batch.count[0] / 4;
const ELEMENT_FLAGS: number = attributes.batch.elem_flags[0] / 4;

/** Implements {@linkcode MapBatch}; the kernel's cursor is kept between calls. */
export class LinuxMapBatch implements MapBatch {
  readonly capacity: number;
  readonly keys: Uint8Array<ArrayBuffer>;
  readonly values: Uint8Array<ArrayBuffer>;

  #blocks: Block[];
  #attributes: Deno.PointerValue;
  #words: Uint32Array<ArrayBuffer>;
  #syscall32: Native["syscall32"];
  #errno: Int32Array<ArrayBuffer>;
  #cursor: number;
  #cursorSize: number;
  #cursors: Uint8Array<ArrayBuffer>;
  #count = 0;
  #release: () => void;

  /**
   * Allocates the buffers; the caller keeps ownership of `mapFd`.
   *
   * @throws {SkepError} EINVAL for sizes smaller than the map's, or a capacity below 1.
   */
  constructor(
    native: Native,
    mapFd: number,
    keySize: number,
    valueSize: number,
    capacity: number,
  ) {
    checkSizes(native, mapFd, keySize, valueSize);
    wholeNumber(capacity, "the capacity of a batch", 1);
    // The cursor is a bucket number (u32) in hash maps and a key in arrays and LPM tries. There are two
    // because the kernel reads one and writes the other.
    this.#cursorSize = aligned(Math.max(8, keySize));
    const attrs = native.memory.allocate(64 + 2 * this.#cursorSize);
    const keys = native.memory.allocate(Math.max(8, keySize * capacity));
    const values = native.memory.allocate(Math.max(8, valueSize * capacity));
    this.#blocks = [attrs, keys, values];
    this.capacity = capacity;
    this.keys = keys.u8.subarray(0, keySize * capacity);
    this.values = values.u8.subarray(0, valueSize * capacity);
    this.#attributes = attrs.pointer;
    this.#syscall32 = native.syscall32;
    this.#errno = native.errno;
    this.#cursor = attrs.address + 64;
    this.#cursors = attrs.u8.subarray(64);
    const words = this.#words = attrs.u32;
    setLong(words, OUT, this.#cursor);
    setLong(words, attributes.batch.keys[0] / 4, keys.address);
    setLong(words, attributes.batch.values[0] / 4, values.address);
    words[attributes.batch.map_fd[0] / 4] = mapFd;
    this.#release = useDescriptor(mapFd, this);
  }

  get count(): number {
    return this.#count;
  }

  rewind(): void {
    setLong(this.#words, IN, 0);
    setLong(this.#words, OUT, this.#cursor);
  }

  resume(from: MapBatch): void {
    this.rewind();
    if (!(from instanceof LinuxMapBatch)) {
      throw new TypeError("Cannot resume another kernel's batch");
    }
    const low = from.#words[IN] as number;
    if (low === 0 && from.#words[IN + 1] === 0) return;
    const size = this.#cursorSize;
    const start = low === from.#cursor >>> 0 ? 0 : size;
    this.#cursors.set(from.#cursors.subarray(start, start + size));
    setLong(this.#words, IN, this.#cursor);
    setLong(this.#words, OUT, this.#cursor + size);
  }

  lookup(flags: number = 0): Result {
    return this.#walk(Command.map_lookup_batch, flags);
  }

  lookupAndDelete(flags: number = 0): Result {
    return this.#walk(Command.map_lookup_and_delete_batch, flags);
  }

  update(count: number, flags: number = 0): Result {
    return this.#apply(Command.map_update_batch, count, flags);
  }

  delete(count: number, flags: number = 0): Result {
    return this.#apply(Command.map_delete_batch, count, flags);
  }

  #walk(command: number, flags: number): Result {
    const words = this.#words;
    words[COUNT] = this.capacity;
    setLong(words, ELEMENT_FLAGS, flags);
    const result = this.#syscall32(systemCalls.bpf, command, this.#attributes, BATCH_SIZE);
    const outcome = result < 0 ? -(this.#errno[0] as number) : result;
    if (this.#attributes === null) return this.#closed();
    // ENOENT marks the end and may come with elements. After other errors `count` is not meaningful: EFAULT
    // leaves it unwritten.
    this.#count = outcome === 0 || failed(outcome, Errno.ENOENT) ? words[COUNT] as number : 0;
    if (outcome === 0) {
      const out = words[OUT] as number;
      const high = words[OUT + 1] as number;
      const other = out === this.#cursor >>> 0 ? this.#cursor + this.#cursorSize : this.#cursor;
      words[IN] = out;
      words[IN + 1] = high;
      setLong(words, OUT, other);
    }
    return outcome;
  }

  #apply(command: number, count: number, flags: number): Result {
    wholeNumber(count, "the number of elements of a batch", 0, this.capacity);
    const words = this.#words;
    const [inLow, inHigh] = [words[IN] as number, words[IN + 1] as number];
    setLong(words, IN, 0);
    const asked = words[COUNT] = count;
    setLong(words, ELEMENT_FLAGS, flags);
    const result = this.#syscall32(systemCalls.bpf, command, this.#attributes, BATCH_SIZE);
    const outcome = result < 0 ? -(this.#errno[0] as number) : result;
    if (this.#attributes === null) return this.#closed();
    const moved = words[COUNT] as number;
    // A command refused as a whole leaves `count` unchanged.
    this.#count = outcome < 0 && moved === asked ? 0 : moved;
    words[IN] = inLow;
    words[IN + 1] = inHigh;
    return outcome;
  }

  #closed(): Result {
    this.#count = 0;
    return -Errno.EBADF;
  }

  /** Frees the buffers; every later command returns -EBADF. Closing the map's descriptor does the same. */
  [Symbol.dispose](): void {
    this.#attributes = null;
    this.#release();
    for (const block of this.#blocks) block[Symbol.dispose]();
  }
}

function setLong(words: Uint32Array, index: number, value: number): void {
  words[index] = value >>> 0;
  words[index + 1] = Math.floor(value / 2 ** 32);
}

function addressPointer(address: number): Deno.PointerObject {
  return Deno.UnsafePointer.create(BigInt(address)) as Deno.PointerObject;
}
