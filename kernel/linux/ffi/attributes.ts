/**
 * One `union bpf_attr` in kernel-facing memory, written field by field from the generated layouts.
 *
 * @module
 */

import { wholeNumber } from "../../arguments.ts";
import type { Block, Place } from "./memory.ts";
import { systemCalls } from "./syscalls.ts";
import { setField } from "../../../uapi/fields.ts";
import { attributeSize } from "../../../uapi/layouts.ts";
import type { Field } from "../../../uapi/fields.ts";

const encoder = new TextEncoder();

/** A system call with the signature of bpf(2), and the errno of the last call. */
export interface BpfCall {
  /** Returns -1 on refusal, with {@linkcode errno} set. */
  readonly syscall32: (number: number, a: number, b: Deno.PointerValue, c: number) => number;
  /** libc's errno of this thread. */
  readonly errno: Int32Array<ArrayBuffer>;
}

/** Holds the attributes of one command at a time. */
export class Attributes {
  /**
   * Size of the attributes in bytes. Older kernels have a smaller union: they accept the rest when it is
   * zero, and return E2BIG when a field that they lack is set.
   */
  static readonly size: number = attributeSize;

  #call: BpfCall;
  #block: Block;
  #view: DataView<ArrayBuffer>;

  /** Uses `block` for the attributes. */
  constructor(call: BpfCall, block: Block) {
    this.#call = call;
    this.#block = block;
    this.#view = block.view;
  }

  /** The address of the attributes, for a call on another thread. */
  get pointer(): Deno.PointerObject {
    return this.#block.pointer;
  }

  /** Sets all fields to zero; every command starts with it. */
  begin(): this {
    this.#block.u8.fill(0);
    return this;
  }

  /** Sets a field; does nothing for `undefined`. */
  set(field: Field, value: number | bigint | undefined): this {
    if (value === undefined) return this;
    // Numbers that setField() would truncate are refused; -1 becomes the all-ones value.
    if (
      typeof value !== "bigint" && !(Number.isInteger(value) && value >= LEAST && value <= MOST)
    ) {
      wholeNumber(value, "a number for the kernel", LEAST, field[1] === 8 ? MOST_LONG : MOST);
    }
    setField(this.#view, field, value);
    return this;
  }

  /** Sets a signed 32-bit field, such as a priority; does nothing for `undefined`. */
  setSigned(field: Field, value: number | undefined): this {
    if (value === undefined) return this;
    const least = -(2 ** 31);
    return this.set(field, wholeNumber(value, "a number for the kernel", least, 2 ** 31 - 1) >>> 0);
  }

  /** Sets a field of 16 characters, truncated to the 15 that the kernel keeps. */
  name(field: Field, name: string | undefined): this {
    if (name !== undefined) {
      this.#block.u8.set(encoder.encode(name).subarray(0, field[1] - 1), field[0]);
    }
    return this;
  }

  /** Returns a 32-bit field after the call. */
  number(field: Field): number {
    return this.#view.getUint32(field[0], true);
  }

  /** Returns a 64-bit field after the call. */
  long(field: Field): bigint {
    return this.#view.getBigUint64(field[0], true);
  }

  /** Makes the call on this thread with `size` bytes of attributes; returns its result or `-errno`. */
  command(command: number, size: number = Attributes.size): number {
    const { syscall32, errno } = this.#call;
    const result = syscall32(systemCalls.bpf, command, this.#block.pointer, size);
    return result < 0 ? -(errno[0] as number) : result;
  }
}

/** The smallest number that a field accepts: -1 is "no descriptor", "any process" or "any CPU". */
const LEAST = -1;
/** The largest number that a 32-bit field accepts. */
const MOST = 2 ** 32 - 1;
/** The largest number that a 64-bit field accepts as a JS number; larger values are bigints. */
const MOST_LONG = Number.MAX_SAFE_INTEGER;

const decoder = new TextDecoder();

/** Returns the text in `bytes` up to the first NUL. */
export function textUpToNul(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Returns a copy of the first `size` bytes of a place. */
export function copyOf(place: Place, size: number = place.bytes.length): Uint8Array<ArrayBuffer> {
  return place.bytes.slice(0, size);
}
