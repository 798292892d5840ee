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

/** The system call of bpf(2)'s shape, and the errno of the last one. */
export interface BpfCall {
  /** -1 on refusal, with {@linkcode errno} set. */
  readonly syscall32: (number: number, a: number, b: Deno.PointerValue, c: number) => number;
  /** libc's errno of this thread. */
  readonly errno: Int32Array<ArrayBuffer>;
}

/** Room for the attributes of one command at a time. */
export class Attributes {
  /**
   * Bytes handed to the kernel. Older kernels know fewer: they accept the rest as long as it is zero,
   * and answer E2BIG for a field that they do not know.
   */
  static readonly size: number = attributeSize;

  #call: BpfCall;
  #block: Block;
  #view: DataView<ArrayBuffer>;

  /** Takes the block that the attributes lie in. */
  constructor(call: BpfCall, block: Block) {
    this.#call = call;
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
    if (value === undefined) return this;
    // A descriptor of -1 is the kernel's to refuse; what a field would cut off is not what was meant.
    if (
      typeof value !== "bigint" && !(Number.isInteger(value) && value >= LEAST && value <= MOST)
    ) {
      wholeNumber(value, "a number for the kernel", LEAST, field[1] === 8 ? MOST_LONG : MOST);
    }
    setField(this.#view, field, value);
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

  /** The command on this thread, with so many bytes of attributes: a result, or `-errno`. */
  command(command: number, size: number = Attributes.size): number {
    const { syscall32, errno } = this.#call;
    const result = syscall32(systemCalls.bpf, command, this.#block.pointer, size);
    return result < 0 ? -(errno[0] as number) : result;
  }
}

/** What stands for a descriptor, a process or a CPU that is not one. */
const LEAST = -1;
/** The largest number of 32 bits. */
const MOST = 2 ** 32 - 1;
/** The largest whole number that a JS number holds exactly. */
const MOST_LONG = Number.MAX_SAFE_INTEGER;

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
