/**
 * The one owner of memory whose address the kernel is given.
 *
 * An address in a `bpf_attr` does not keep a JS buffer alive: V8 frees it while the kernel still
 * writes to it. So such memory is never V8's: it is mapped here, freed by hand, and taken from its
 * views (`ArrayBuffer.transfer(0)`) before it is used again. Nobody else takes an address.
 *
 * @module
 */

import { SkepError } from "../../../errors/skep_error.ts";
import { ownBytes, wholeNumber } from "../../arguments.ts";
import { Mapping } from "../../mapping.ts";

/** Maps so many bytes of zeroes and gives their address, or throws. */
export type MapPages = (size: number) => number;
/** Gives back what {@linkcode MapPages} gave; `given` when somebody else has views on it that must stay valid. */
export type UnmapPages = (address: number, size: number, given: boolean) => void;

/** A piece of kernel-facing memory: its bytes, its address, and the end of both. */
export interface Block extends Mapping {
  /** The address as FFI wants it for a `pointer` parameter; made once. */
  readonly pointer: Deno.PointerObject;
}

const SLAB = 256 * 1024;
const LARGEST_SHIFT = 15;
const LARGEST_SLOT = 1 << LARGEST_SHIFT;
const SMALLEST_SHIFT = 6;
/** Bytes that one piece may have: what the kernel takes in one call, twice over. */
const LARGEST = 2 ** 33;

class ArenaBlock extends Mapping implements Block {
  #pointer: Deno.PointerObject | undefined;

  get pointer(): Deno.PointerObject {
    return this.#pointer ??= pointerTo(this.address);
  }
}

function pointerTo(address: number): Deno.PointerObject {
  const pointer = Deno.UnsafePointer.create(BigInt(address));
  if (pointer === null) throw new TypeError("Cannot make a pointer of a block that was freed");
  return pointer;
}

/** Makes an ArrayBuffer over memory that is not V8's. The caller sees to it that it ends first. */
export function bufferAt(address: number, size: number): ArrayBuffer {
  // A length of 0 has no memory behind it; V8 would refuse the pointer.
  if (size === 0) return new ArrayBuffer(0);
  return Deno.UnsafePointerView.getArrayBuffer(pointerTo(address), size);
}

/**
 * Anonymous mapped memory in pieces: slots of powers of two from shared slabs, and whole pages above
 * 32 KiB.
 *
 * Every piece has an ArrayBuffer of its own, so that freeing it takes the memory from its views and
 * from no others'. Slabs are kept for the process's life; large pieces are unmapped when freed.
 */
export class Memory {
  #map: MapPages;
  #unmap: UnmapPages;
  #free: number[][] = [];
  #slab = 0;
  #slabUsed = SLAB;
  #blocks = 0;

  /** Takes the two system calls that it lives on. */
  constructor(map: MapPages, unmap: UnmapPages) {
    this.#map = map;
    this.#unmap = unmap;
  }

  /** Blocks that were allocated and not yet freed: what a leak test counts. */
  get blocks(): number {
    return this.#blocks;
  }

  /** Zeroed memory of `size` bytes, aligned to 64 or, above 32 KiB, to pages. */
  allocate(size: number): Block {
    wholeNumber(size, "a size of memory", 0, LARGEST);
    if (size > LARGEST_SLOT) return this.#large(size);
    const shift = size <= 1 << SMALLEST_SHIFT ? SMALLEST_SHIFT : 32 - Math.clz32(size - 1);
    const slot = 1 << shift;
    const free = this.#free[shift] ??= [];
    const address = free.pop() ?? this.#carve(slot);
    const block = new ArenaBlock(bufferAt(address, size), address, (given) => {
      this.#blocks--;
      // Somebody else has the buffer: what lies there is that owner's, for the process's life.
      if (!given) free.push(address);
    });
    block.u8.fill(0);
    this.#blocks++;
    return block;
  }

  #large(size: number): Block {
    const address = this.#map(size);
    this.#blocks++;
    return new ArenaBlock(bufferAt(address, size), address, (given) => {
      this.#blocks--;
      this.#unmap(address, size, given);
    });
  }

  #carve(slot: number): number {
    if (this.#slabUsed + slot > SLAB) {
      // What is left of the old slab still serves, cut into the slots that it is a sum of.
      while (this.#slabUsed < SLAB) {
        const rest = SLAB - this.#slabUsed;
        const shift = Math.min(31 - Math.clz32(rest & -rest), LARGEST_SHIFT);
        (this.#free[shift] ??= []).push(this.#slab + this.#slabUsed);
        this.#slabUsed += 1 << shift;
      }
      this.#slab = this.#map(SLAB);
      this.#slabUsed = 0;
    }
    const address = this.#slab + this.#slabUsed;
    this.#slabUsed += slot;
    return address;
  }
}

const encoder = new TextEncoder();

/**
 * The memory of one system call: its arguments are placed one after the other and all go at the end.
 *
 * Small calls share one scratch block, larger ones and those off this thread get blocks of their own.
 */
export class Frame implements Disposable {
  #memory: Memory;
  #scratch: Scratch | undefined;
  #start = 0;
  #owned: Block[] = [];

  /** Begins; without `scratch` all memory is the frame's own. */
  constructor(memory: Memory, scratch?: Scratch) {
    this.#memory = memory;
    this.#scratch = scratch;
    if (scratch !== undefined) this.#start = scratch.used;
  }

  /** Zeroed room, aligned to 8 bytes. */
  room(size: number): Place {
    wholeNumber(size, "a size of memory", 0, LARGEST);
    const scratch = this.#scratch;
    if (scratch !== undefined && scratch.used + size <= scratch.block.size) {
      const offset = scratch.used;
      scratch.used = (offset + size + 7) & ~7;
      const bytes = scratch.block.u8.subarray(offset, offset + size);
      bytes.fill(0);
      return { bytes, address: scratch.block.address + offset };
    }
    const block = this.#memory.allocate(Math.max(size, 1));
    this.#owned.push(block);
    return { bytes: block.u8.subarray(0, size), address: block.address };
  }

  /** A copy of `bytes`. The address is 0 when there are none. */
  bytes(bytes: Uint8Array): number {
    ownBytes(bytes, "bytes for the kernel");
    if (bytes.length === 0) return 0;
    const room = this.room(bytes.length);
    room.bytes.set(bytes);
    return room.address;
  }

  /**
   * Text in UTF-8 with its NUL.
   *
   * @throws {SkepError} EINVAL for a NUL within: the kernel would read another path or name than was meant.
   */
  text(text: string): number {
    if (text.includes("\0")) {
      throw new SkepError({
        doing: "hand to the kernel",
        subject: JSON.stringify(text),
        errno: "EINVAL",
        stage: "usage",
        why: "no path and no name can have a NUL in it",
      });
    }
    const bytes = encoder.encode(text);
    const room = this.room(bytes.length + 1);
    room.bytes.set(bytes);
    return room.address;
  }

  /** 32-bit words. */
  words(words: readonly number[]): number {
    return this.bytes(new Uint8Array(Uint32Array.from(words).buffer));
  }

  /** 64-bit words. */
  longs(longs: readonly bigint[]): number {
    return this.bytes(new Uint8Array(BigUint64Array.from(longs).buffer));
  }

  /** Gives all of it back. */
  [Symbol.dispose](): void {
    if (this.#scratch !== undefined) this.#scratch.used = this.#start;
    for (const block of this.#owned) block[Symbol.dispose]();
    this.#owned.length = 0;
  }
}

/** A block that frames use as a stack. */
export interface Scratch {
  /** The memory. */
  readonly block: Block;
  /** Bytes in use. */
  used: number;
}

/** A piece of a frame. */
export interface Place {
  /** The bytes: valid until the frame ends. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where they lie. */
  readonly address: number;
}
