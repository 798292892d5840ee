/**
 * One `union bpf_attr` in kernel-facing memory, written field by field from the generated layouts.
 *
 * @module
 */

import type { Block, Place } from "./memory.ts";
import type { Native } from "./native.ts";
import { systemCalls } from "./syscalls.ts";
import { attributeSize, type Field } from "./uapi.ts";

const encoder = new TextEncoder();

/** Room for the attributes of one command at a time. */
export class Attributes {
  /**
   * Bytes handed to the kernel. Older kernels know fewer: they accept the rest as long as it is zero,
   * and answer E2BIG for a field that they do not know.
   */
  static readonly size: number = attributeSize;

  #native: Native;
  #block: Block;
  #view: DataView<ArrayBuffer>;

  /** Takes the block that the attributes lie in. */
  constructor(native: Native, block: Block) {
    this.#native = native;
    this.#block = block;
    this.#view = block.view;
  }

  /** The address for a call on another thread. */
  get pointer(): Deno.PointerObject {
    return this.#block.pointer;
  }

  /** All fields to zero: the start of every command. */
  begin(): this {
    this.#block.u8.fill(0);
    return this;
  }

  /** Sets a field; nothing for `undefined`. */
  set(field: Field, value: number | bigint | undefined): this {
    if (value !== undefined) setField(this.#view, field, value);
    return this;
  }

  /** Sets a field of 16 characters, cut to the 15 that the kernel keeps. */
  name(field: Field, name: string | undefined): this {
    if (name !== undefined) {
      this.#block.u8.set(encoder.encode(name).subarray(0, field[1] - 1), field[0]);
    }
    return this;
  }

  /** A 32-bit field as the kernel left it. */
  number(field: Field): number {
    return this.#view.getUint32(field[0], true);
  }

  /** A 64-bit field as the kernel left it. */
  long(field: Field): bigint {
    return this.#view.getBigUint64(field[0], true);
  }

  /** The command on this thread: a result, or `-errno`. */
  command(command: number): number {
    const { short, errno } = this.#native;
    const result = short(systemCalls.bpf, command, this.#block.pointer, Attributes.size);
    return result < 0 ? -(errno[0] as number) : result;
  }
}

/** Writes a field of a struct; numbers are cut to its size. */
export function setField(view: DataView, field: Field, value: number | bigint): void {
  const [offset, size] = field;
  const shift = field[2];
  if (shift !== undefined) {
    const mask = ((1n << BigInt(field[3] ?? 0)) - 1n) << BigInt(shift);
    const bits = (BigInt(value) << BigInt(shift)) & mask;
    if (size === 8) {
      view.setBigUint64(offset, (view.getBigUint64(offset, true) & ~mask) | bits, true);
    } else {view.setUint32(
        offset,
        Number((BigInt(view.getUint32(offset, true)) & ~mask) | bits),
        true,
      );}
  } else if (size === 8) {
    if (typeof value === "bigint") view.setBigUint64(offset, value, true);
    else {
      view.setUint32(offset, value, true);
      view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
    }
  } else if (size === 4) view.setUint32(offset, Number(value), true);
  else if (size === 2) view.setUint16(offset, Number(value), true);
  else view.setUint8(offset, Number(value));
}

/** Reads a field of up to 32 bits, or a 64-bit one that is known to be small, as a number. */
export function getNumber(view: DataView, field: Field): number {
  const [offset, size] = field;
  const shift = field[2];
  if (shift !== undefined) {
    const word = size === 8
      ? view.getBigUint64(offset, true)
      : BigInt(view.getUint32(offset, true));
    return Number((word >> BigInt(shift)) & ((1n << BigInt(field[3] ?? 0)) - 1n));
  }
  if (size === 8) return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
  if (size === 4) return view.getUint32(offset, true);
  return size === 2 ? view.getUint16(offset, true) : view.getUint8(offset);
}

const decoder = new TextDecoder();

/** The text in `bytes` up to the first NUL. */
export function textUpToNul(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** A copy of the first `size` bytes of a place, the caller's own. */
export function copyOf(place: Place, size: number = place.bytes.length): Uint8Array<ArrayBuffer> {
  return place.bytes.slice(0, size);
}
