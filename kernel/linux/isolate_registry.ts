/**
 * Which descriptors belong to which isolate of this process, in memory that all of them share.
 *
 * The memory is mapped once in the process; every isolate finds it by its name in /proc/self/maps, so that no
 * descriptor stays open for it. Each isolate takes a slot: its
 * thread, and a bit for each descriptor. A thread runs one isolate at a time, so a slot whose thread has ended, or
 * runs another isolate now, belongs to an isolate that has ended.
 *
 * @module
 */

import { MFD_CLOEXEC } from "../../uapi/processes.ts";
import type { Native } from "./ffi/native.ts";
import { systemCalls } from "./ffi/syscalls.ts";
import { readFile, readLink } from "./files.ts";

const NAME = "skep-descriptors";
/** Isolates with BPF objects at one time. */
const SLOTS = 64;
/** Words of a slot before its bits: thread, and when it was started. */
const HEADER = 2;
/** Descriptors that have a bit; higher ones are not noted. */
const BITS = 65536;
const SLOT_WORDS = HEADER + BITS / 32;
const SIZE = SLOTS * SLOT_WORDS * 4;

/** The slot of this isolate. */
export class IsolateRegistry {
  readonly #native: Native;
  readonly #words: Int32Array<ArrayBuffer> | undefined;
  /** Where the bits of this isolate begin; undefined when there is no memory or no free slot. */
  readonly #bits: number | undefined;

  /** Takes a slot, and closes what ended isolates have left. */
  constructor(native: Native) {
    this.#native = native;
    this.#words = sharedWords(native);
    if (this.#words !== undefined) this.#bits = this.#take(this.#words);
  }

  /** Notes a descriptor. */
  add(fd: number): void {
    if (this.#words === undefined || this.#bits === undefined || fd >= BITS) return;
    Atomics.or(this.#words, this.#bits + (fd >> 5), 1 << (fd & 31));
  }

  /** Notes that a descriptor is no longer this isolate's. */
  delete(fd: number): void {
    if (this.#words === undefined || this.#bits === undefined || fd >= BITS) return;
    Atomics.and(this.#words, this.#bits + (fd >> 5), ~(1 << (fd & 31)));
  }

  /** Closes everything that this isolate has noted. */
  closeAll(): void {
    if (this.#words === undefined || this.#bits === undefined) return;
    this.#closeBits(this.#words, this.#bits);
  }

  #take(words: Int32Array<ArrayBuffer>): number | undefined {
    const thread = this.#native.call(systemCalls.gettid);
    const started = startOf(this.#native, thread);
    if (started === undefined) return undefined;
    let free: number | undefined;
    for (let slot = 0; slot < SLOTS; slot++) {
      const at = slot * SLOT_WORDS;
      const holder = Atomics.load(words, at);
      const ended = holder !== 0 &&
        (holder === thread || startOf(this.#native, holder) !== Atomics.load(words, at + 1));
      // Whoever empties the slot first closes what is left in it.
      if (ended && Atomics.compareExchange(words, at, holder, thread) === holder) {
        this.#closeBits(words, at + HEADER);
        Atomics.store(words, at, 0);
      }
      if (Atomics.load(words, at) === 0) free ??= at;
    }
    if (free === undefined || Atomics.compareExchange(words, free, 0, thread) !== 0) {
      return undefined;
    }
    Atomics.store(words, free + 1, started);
    return free + HEADER;
  }

  /** Closes what is still a BPF object: a number may have been closed and given out again behind our back. */
  #closeBits(words: Int32Array<ArrayBuffer>, bits: number): void {
    for (let word = 0; word < BITS / 32; word++) {
      let left = Atomics.exchange(words, bits + word, 0);
      while (left !== 0) {
        const bit = 31 - Math.clz32(left);
        left &= ~(1 << bit);
        const fd = word * 32 + bit;
        if (/bpf|perf_event/.test(readLink(this.#native, `/proc/self/fd/${fd}`) ?? "")) {
          this.#native.call(systemCalls.close, fd);
        }
      }
    }
  }
}

/** When a thread of this process was started, in clock ticks; undefined when there is none of that number. */
function startOf(native: Native, thread: number): number | undefined {
  const { result, bytes } = readFile(native, `/proc/self/task/${thread}/stat`, 4096);
  if (result < 0) return undefined;
  // The name is in parentheses and may contain anything; starttime is the 20th field after it.
  const text = new TextDecoder().decode(bytes);
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]) | 0;
}

/** The shared memory; undefined where it cannot be had (no /proc, no memfd). */
function sharedWords(native: Native): Int32Array<ArrayBuffer> | undefined {
  const address = findMemory(native) ?? makeMemory(native);
  return address === undefined ? undefined : new Int32Array(native.buffer(address, SIZE));
}

function makeMemory(native: Native): number | undefined {
  using frame = native.frame();
  const fd = native.call(systemCalls.memfd_create, frame.text(NAME), MFD_CLOEXEC);
  if (fd < 0) return undefined;
  const sized = native.call(systemCalls.ftruncate, fd, SIZE);
  const options = { fd, writable: true, offset: 0, private: false };
  const made = sized < 0 ? sized : native.map(SIZE, options);
  native.call(systemCalls.close, fd);
  if (made < 0) return undefined;
  // Two isolates may have made memory at the same time: both then use the one at the lower address.
  const first = findMemory(native) ?? made;
  if (first !== made) native.call(systemCalls.munmap, made, SIZE);
  return first;
}

/** The address of the memory, where an isolate has mapped it: /proc/self/maps is sorted by address. */
function findMemory(native: Native): number | undefined {
  const { result, bytes } = readFile(native, "/proc/self/maps");
  if (result < 0) return undefined;
  const text = new TextDecoder().decode(bytes);
  const [, address] = new RegExp(`^([0-9a-f]+)-.*/memfd:${NAME} `, "m").exec(text) ?? [];
  return address === undefined ? undefined : parseInt(address, 16);
}
