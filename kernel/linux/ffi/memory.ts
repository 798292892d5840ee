/**
 * The owner of all memory whose address is passed to the kernel.
 *
 * An address in a `bpf_attr` does not keep a JS buffer alive: V8 may free the buffer while the kernel still
 * writes to it. Such memory is therefore mapped here, freed explicitly, and detached from its views
 * (`ArrayBuffer.transfer(0)`) before it is used again. No other module takes an address.
 *
 * @module
 */

import { SkepError } from "../../../errors/skep_error.ts";
import { ownBytes, wholeNumber } from "../../arguments.ts";
import { Mapping } from "../../mapping.ts";

/** Maps `size` zeroed bytes and returns their address, or throws. */
export type MapPages = (size: number) => number;
/**
 * Unmaps what {@linkcode MapPages} mapped; with `given`, another owner has views on it and the address must
 * stay valid.
 */
export type UnmapPages = (address: number, size: number, given: boolean) => void;

/** A block of kernel memory: its bytes, its address and its lifetime. */
export interface Block extends Mapping {
  /** The address as a `pointer` parameter for FFI; created once. */
  readonly pointer: Deno.PointerObject;
}

const SLAB = 256 * 1024;
const LARGEST_SHIFT = 15;
const LARGEST_SLOT = 1 << LARGEST_SHIFT;
const SMALLEST_SHIFT = 6;
/** Maximum size of a block in bytes: twice what the kernel takes in one call. */
const LARGEST = 2 ** 33;

class KernelBlock extends Mapping implements Block {
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

/**
 * Makes an ArrayBuffer over memory outside V8's heap. The caller must detach it before the memory is freed.
 */
export function bufferAt(address: number, size: number): ArrayBuffer {
  // V8 refuses a pointer without a length.
  if (size === 0) return new ArrayBuffer(0);
  return Deno.UnsafePointerView.getArrayBuffer(pointerTo(address), size);
}

/**
 * Allocates anonymous memory: slots of powers of two from shared slabs, whole pages above 32 KiB.
 *
 * Every block has an ArrayBuffer of its own: freeing it detaches its views and no others. Slabs are kept
 * for the life of the process; large blocks are unmapped when freed.
 */
export class Memory {
  #map: MapPages;
  #unmap: UnmapPages;
  #free: number[][] = [];
  #slab = 0;
  #slabUsed = SLAB;
  #blocks = 0;

  /** Takes the functions that map and unmap pages. */
  constructor(map: MapPages, unmap: UnmapPages) {
    this.#map = map;
    this.#unmap = unmap;
  }

  /** Number of blocks allocated and not yet freed; leak tests read it. */
  get blocks(): number {
    return this.#blocks;
  }

  /** Allocates `size` zeroed bytes, aligned to 64 bytes or, above 32 KiB, to pages. */
  allocate(size: number): Block {
    wholeNumber(size, "a size of memory", 0, LARGEST);
    if (size > LARGEST_SLOT) return this.#large(size);
    const shift = size <= 1 << SMALLEST_SHIFT ? SMALLEST_SHIFT : 32 - Math.clz32(size - 1);
    const slot = 1 << shift;
    const free = this.#free[shift] ??= [];
    const address = free.pop() ?? this.#carve(slot);
    const block = new KernelBlock(bufferAt(address, size), address, (given) => {
      this.#blocks--;
      // Another owner has the buffer: the slot is never reused.
      if (!given) free.push(address);
    });
    block.u8.fill(0);
    this.#blocks++;
    return block;
  }

  #large(size: number): Block {
    const address = this.#map(size);
    this.#blocks++;
    return new KernelBlock(bufferAt(address, size), address, (given) => {
      this.#blocks--;
      this.#unmap(address, size, given);
    });
  }

  #carve(slot: number): number {
    if (this.#slabUsed + slot > SLAB) {
      // The rest of the old slab is cut into power-of-two slots.
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
 * Memory of one system call: arguments are placed one after the other and freed together.
 *
 * Small calls share one scratch block; larger ones and those on other threads get blocks of their own.
 */
export class Frame implements Disposable {
  #memory: Memory;
  #scratch: Scratch | undefined;
  #start = 0;
  #owned: Block[] = [];

  /** Starts a frame; without `scratch` every argument gets a block of its own. */
  constructor(memory: Memory, scratch?: Scratch) {
    this.#memory = memory;
    this.#scratch = scratch;
    if (scratch !== undefined) this.#start = scratch.used;
  }

  /** Returns `size` zeroed bytes, aligned to 8. */
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

  /** Copies `bytes` and returns the address; 0 when there are none. */
  bytes(bytes: Uint8Array): number {
    ownBytes(bytes, "bytes for the kernel");
    if (bytes.length === 0) return 0;
    const room = this.room(bytes.length);
    room.bytes.set(bytes);
    return room.address;
  }

  /**
   * Copies text as UTF-8 with a terminating NUL and returns the address.
   *
   * @throws {SkepError} EINVAL when the text contains a NUL: the kernel would read a shorter path or name.
   */
  text(text: string): number {
    if (text.includes("\0")) {
      throw new SkepError({
        doing: "hand to the kernel",
        subject: JSON.stringify(text),
        errno: "EINVAL",
        stage: "usage",
        why: "paths and names cannot contain a NUL",
      });
    }
    const bytes = encoder.encode(text);
    const room = this.room(bytes.length + 1);
    room.bytes.set(bytes);
    return room.address;
  }

  /** Copies 32-bit words and returns the address. */
  words(words: readonly number[]): number {
    return this.bytes(new Uint8Array(Uint32Array.from(words).buffer));
  }

  /** Copies 64-bit words and returns the address. */
  longs(longs: readonly bigint[]): number {
    return this.bytes(new Uint8Array(BigUint64Array.from(longs).buffer));
  }

  /** Frees all memory of the frame. */
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
  /** Number of bytes in use. */
  used: number;
}

/** A piece of a frame's memory. */
export interface Place {
  /** The bytes, valid until the frame is disposed of. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The address of the bytes. */
  readonly address: number;
}
