/**
 * Records which descriptors belong to which isolate of this process, in memory that all isolates share.
 *
 * The memory is mapped once per process, at a fixed address: the kernel lets one isolate map it there, and
 * the others find it in /proc/self/maps, so that no descriptor stays open for it. Each isolate takes a slot
 * with the identity of its thread and a bit per descriptor. A thread runs one isolate at a time: a slot
 * whose thread has ended, or now runs another isolate, belongs to an ended isolate. All copies of this
 * package in one isolate use one slot.
 *
 * @module
 */

import { Errno, failed } from "../../uapi/errno.ts";
import { MFD_CLOEXEC } from "../../uapi/processes.ts";
import type { Native } from "./ffi/native.ts";
import { systemCalls } from "./ffi/syscalls.ts";
import { readFile, readLink } from "./files.ts";

const NAME = "skep-descriptors";
/** The property of the global object with the index of this isolate's slot. */
const MARK = Symbol.for(NAME);
/** Maximum number of isolates that use BPF objects at a time. */
const SLOTS = 64;
/** Words of a slot before its bits: the identity of its thread, in 64 bits. */
const HEADER = 2;
/** Number of descriptors with a bit; higher ones are not registered. */
const BITS = 65536;
const SLOT_WORDS = HEADER + BITS / 32;
const SIZE = SLOTS * SLOT_WORDS * 4;
/** Where the memory is mapped, in the order tried: below 2^38, the end of the smallest address space of arm64. */
const ADDRESSES: readonly number[] = [
  0x20_5350_0000,
  0x24_5350_0000,
  0x28_5350_0000,
  0x2c_5350_0000,
];

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
    if (this.#words === undefined) return;
    const slot = this.#take(this.#words);
    if (slot !== undefined) this.#bits = slot * SLOT_WORDS + HEADER;
  }

  /** Registers a descriptor for this isolate, and unregisters its number for every other. */
  add(fd: number): void {
    if (this.#words === undefined || fd >= BITS) return;
    this.#forget(this.#words, fd);
    if (this.#bits === undefined) return;
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

  #take(words: Int32Array<ArrayBuffer>): number | undefined {
    // Another copy of this package in this isolate has taken it.
    const taken: unknown = Reflect.get(globalThis, MARK);
    if (typeof taken === "number") return taken;
    const thread = this.#native.call(systemCalls.gettid);
    const started = startOf(this.#native, thread);
    if (typeof started !== "number") return undefined;
    const identities = new BigInt64Array(words.buffer, words.byteOffset, words.length / 2);
    const mine = identityOf(thread, started);
    let slot: number | undefined;
    for (let each = 0; each < SLOTS; each++) {
      const at = each * SLOT_WORDS / 2;
      const holder = Atomics.load(identities, at);
      if (holder === 0n) continue;
      // An earlier isolate of this thread, or one whose thread has ended. Thread and start time are
      // exchanged in one step: one isolate claims the slot, and none sees a half-written identity.
      const ended = holder === mine || (this.#ended(holder) &&
        Atomics.compareExchange(identities, at, holder, mine) === holder);
      if (!ended) continue;
      this.#closeBits(words, each * SLOT_WORDS + HEADER);
      if (slot === undefined) slot = each;
      else Atomics.store(identities, at, 0n);
    }
    for (let each = 0; slot === undefined && each < SLOTS; each++) {
      const at = each * SLOT_WORDS / 2;
      if (Atomics.compareExchange(identities, at, 0n, mine) === 0n) slot = each;
    }
    if (slot !== undefined) Object.defineProperty(globalThis, MARK, { value: slot });
    return slot;
  }

  /** Whether a thread has ended; false when /proc cannot be read, for instance without free descriptors. */
  #ended(identity: bigint): boolean {
    const thread = Number(identity >> 32n);
    const started = startOf(this.#native, thread);
    if (started === undefined) return false;
    return started === "ended" || identityOf(thread, started) !== identity;
  }

  /**
   * Closes descriptors that still refer to BPF objects: a number may have been closed and reused outside
   * skep.
   */
  #closeBits(words: Int32Array<ArrayBuffer>, bits: number): void {
    for (let word = 0; word < BITS / 32; word++) {
      for (let left = Atomics.load(words, bits + word); left !== 0;) {
        const bit = 31 - Math.clz32(left);
        left &= ~(1 << bit);
        // Its new owner may have unregistered it meanwhile.
        if ((Atomics.and(words, bits + word, ~(1 << bit)) & (1 << bit)) === 0) continue;
        const fd = word * 32 + bit;
        if (/bpf|perf_event/.test(readLink(this.#native, `/proc/self/fd/${fd}`) ?? "")) {
          this.#native.call(systemCalls.close, fd);
        }
      }
    }
  }
}

/** The identity of a thread: its id and its start time, 32 bits each. */
function identityOf(thread: number, started: number): bigint {
  return BigInt(thread) << 32n | BigInt(started >>> 0);
}

/** Returns the start time of a thread in clock ticks; undefined when it cannot be read. */
function startOf(native: Native, thread: number): number | "ended" | undefined {
  const { result, bytes } = readFile(native, `/proc/self/task/${thread}/stat`, 4096);
  if (failed(result, Errno.ENOENT) || failed(result, Errno.ESRCH)) return "ended";
  if (result < 0) return undefined;
  // The name is in parentheses and may contain any character; starttime is the 20th field after it.
  const text = new TextDecoder().decode(bytes);
  const started = Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]);
  return Number.isNaN(started) ? undefined : started;
}

/** Maps the shared memory; undefined without /proc or memfd_create(2). */
function sharedWords(native: Native): Int32Array<ArrayBuffer> | undefined {
  const address = findMemory(native) ?? makeMemory(native);
  return address === undefined ? undefined : new Int32Array(native.buffer(address, SIZE));
}

/** Maps the memory at the first address that is free; of several isolates, the kernel lets one do it. */
function makeMemory(native: Native): number | undefined {
  using frame = native.frame();
  const fd = native.call(systemCalls.memfd_create, frame.text(NAME), MFD_CLOEXEC);
  if (fd < 0) return undefined;
  try {
    if (native.call(systemCalls.ftruncate, fd, SIZE) < 0) return undefined;
    for (const address of ADDRESSES) {
      const options = { fd, writable: true, offset: 0, private: false, address: BigInt(address) };
      const made = native.map(SIZE, options);
      if (made === address) return made;
      // Before Linux 4.17, MAP_FIXED_NOREPLACE is unknown and the address is only a hint.
      if (made >= 0) native.unmap(made, SIZE);
      const found = findMemory(native);
      if (found !== undefined) return found;
    }
    return undefined;
  } finally {
    native.call(systemCalls.close, fd);
  }
}

/** Returns the address at which an isolate of this process mapped the memory. */
function findMemory(native: Native): number | undefined {
  const { result, bytes } = readFile(native, "/proc/self/maps");
  if (result < 0) return undefined;
  const text = new TextDecoder().decode(bytes);
  // A file's path follows in the same place: the whole of it must be that of the memory.
  const line = `^([0-9a-f]+)-[0-9a-f]+ rw-s 0+ \\S+ \\d+ +/memfd:${NAME} \\(deleted\\)$`;
  for (const [, start] of text.matchAll(new RegExp(line, "gm"))) {
    const address = parseInt(start ?? "", 16);
    if (ADDRESSES.includes(address)) return address;
  }
  return undefined;
}
