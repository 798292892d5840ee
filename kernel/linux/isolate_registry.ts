/**
 * Records which descriptors belong to which isolate of this process, in memory that all isolates share.
 *
 * The memory is mapped once per process. Every isolate finds it by name in /proc/self/maps, so that no
 * descriptor stays open for it. Each isolate takes a slot with its thread and a bit per descriptor. A
 * thread runs one isolate at a time: a slot whose thread has ended, or now runs another isolate, belongs to
 * an ended isolate.
 *
 * @module
 */

import { MFD_CLOEXEC } from "../../uapi/processes.ts";
import type { Native } from "./ffi/native.ts";
import { systemCalls } from "./ffi/syscalls.ts";
import { readFile, readLink } from "./files.ts";

const NAME = "skep-descriptors";
/** Maximum number of isolates that use BPF objects at a time. */
const SLOTS = 64;
/** Words of a slot before its bits: the thread's id and its start time. */
const HEADER = 2;
/** Number of descriptors with a bit; higher ones are not registered. */
const BITS = 65536;
const SLOT_WORDS = HEADER + BITS / 32;
const SIZE = SLOTS * SLOT_WORDS * 4;

/** The slot of this isolate. */
export class IsolateRegistry {
  readonly #native: Native;
  readonly #words: Int32Array<ArrayBuffer> | undefined;
  /** Index of the first word of this isolate's bits; undefined without memory or a free slot. */
  readonly #bits: number | undefined;

  /** Takes a slot and closes the descriptors of ended isolates. */
  constructor(native: Native) {
    this.#native = native;
    this.#words = sharedWords(native);
    if (this.#words !== undefined) this.#bits = this.#take(this.#words);
  }

  /** Registers a descriptor for this isolate, and unregisters its number for every other. */
  add(fd: number): void {
    if (this.#words === undefined || this.#bits === undefined || fd >= BITS) return;
    this.#forget(this.#words, fd);
    Atomics.or(this.#words, this.#bits + (fd >> 5), 1 << (fd & 31));
  }

  /** Unregisters a descriptor that is closed or has another owner. */
  delete(fd: number): void {
    if (this.#words === undefined || fd >= BITS) return;
    this.#forget(this.#words, fd);
  }

  /** Clears the bit of a descriptor in every slot. */
  #forget(words: Int32Array<ArrayBuffer>, fd: number): void {
    const [word, mask] = [HEADER + (fd >> 5), 1 << (fd & 31)];
    for (let at = 0; at < SLOTS * SLOT_WORDS; at += SLOT_WORDS) {
      if (((words[at + word] ?? 0) & mask) !== 0) Atomics.and(words, at + word, ~mask);
    }
  }

  /** Closes every registered descriptor. */
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
      // The isolate that claims the slot closes its descriptors.
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

  /**
   * Closes descriptors that still refer to BPF objects: a number may have been closed and reused outside
   * skep.
   */
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

/** Returns the start time of a thread in clock ticks; undefined when no such thread exists. */
function startOf(native: Native, thread: number): number | undefined {
  const { result, bytes } = readFile(native, `/proc/self/task/${thread}/stat`, 4096);
  if (result < 0) return undefined;
  // The name is in parentheses and may contain any character; starttime is the 20th field after it.
  const text = new TextDecoder().decode(bytes);
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]) | 0;
}

/** Maps the shared memory; undefined without /proc or memfd_create(2). */
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
  // Two isolates may have created memory at the same time: both then use the one at the lower address.
  const first = findMemory(native) ?? made;
  if (first !== made) native.call(systemCalls.munmap, made, SIZE);
  return first;
}

/** Returns the address at which an isolate mapped the memory; /proc/self/maps is sorted by address. */
function findMemory(native: Native): number | undefined {
  const { result, bytes } = readFile(native, "/proc/self/maps");
  if (result < 0) return undefined;
  const text = new TextDecoder().decode(bytes);
  const [, address] = new RegExp(`^([0-9a-f]+)-.*/memfd:${NAME} `, "m").exec(text) ?? [];
  return address === undefined ? undefined : parseInt(address, 16);
}
