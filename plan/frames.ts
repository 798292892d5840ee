/**
 * The abstract state of a program before an instruction: frames with registers and a stack.
 *
 * @module
 */

import type { CodeFunction } from "./functions.ts";
import {
  ANY,
  constant,
  isConstant,
  isPointer,
  joinValues,
  pointer,
  sameValue,
  UNSET,
  type Value,
} from "./value.ts";

/** Size of the stack in bytes. */
export const STACK: number = 512;
/** Size of a stack slot in bytes. */
const SLOT = 8;
/** Register 10, the frame pointer. */
const FRAME_REGISTER = 10;

/** What is known about a byte of the stack. */
const BYTE = { unset: 0, written: 1, maybe: 2, zero: 3 } as const;

/** A register spilled at the start of a slot, whole or in part. */
interface Stored {
  readonly value: Value;
  /** Size in bytes. */
  readonly size: number;
}

/** The stack of one frame; immutable. Offsets are negative, relative to the frame pointer. */
export class Stack {
  /** A stack without written bytes. */
  static readonly empty: Stack = new Stack(new Uint8Array(STACK), new Map());
  readonly #bytes: Uint8Array;
  /** Spilled registers by slot. */
  readonly #slots: ReadonlyMap<number, Stored>;

  private constructor(bytes: Uint8Array, slots: ReadonlyMap<number, Stored>) {
    this.#bytes = bytes;
    this.#slots = slots;
  }

  /** Stores a value of `size` bytes. */
  store(offset: number, size: number, value: Value): Stack {
    const at = offset + STACK;
    if (at < 0 || at + size > STACK) return this;
    const slots = this.#without(at, size);
    if (at % SLOT === 0) slots.set(at / SLOT, { value, size });
    const bytes = this.#bytes.slice();
    bytes.fill(isConstant(value) && value.low === 0 ? BYTE.zero : BYTE.written, at, at + size);
    return new Stack(bytes, slots);
  }

  /** Marks bytes as written, or as perhaps written. */
  fill(offset: number, size: number, certain: boolean): Stack {
    const at = Math.max(0, offset + STACK);
    const end = Math.min(STACK, offset + STACK + size);
    if (at >= end) return this;
    const bytes = this.#bytes.slice();
    for (let index = at; index < end; index++) {
      if (certain) bytes[index] = BYTE.written;
      else if (bytes[index] === BYTE.unset) bytes[index] = BYTE.maybe;
    }
    return new Stack(bytes, this.#without(at, end - at));
  }

  /** Marks unwritten bytes from an offset on as perhaps written; keeps spilled registers. */
  mayFill(offset: number): Stack {
    const at = Math.max(0, Number.isFinite(offset) ? offset + STACK : 0);
    if (this.#bytes.indexOf(BYTE.unset, at) < 0) return this;
    const bytes = this.#bytes.map((byte, index) =>
      index >= at && byte === BYTE.unset ? BYTE.maybe : byte
    );
    return new Stack(bytes, this.#slots);
  }

  /** Returns what a load reads, where the spilled value is known; a pointer only as a whole. */
  load(offset: number, size: number): Value | undefined {
    const at = offset + STACK;
    const stored = at % SLOT === 0 ? this.#slots.get(at / SLOT) : undefined;
    if (stored !== undefined && stored.size >= size) {
      const { value } = stored;
      if (stored.size === size && (size === SLOT || value.kind === "number")) {
        return size === SLOT || fits(value, size) ? value : undefined;
      }
      return value.kind === "number" && fits(value, size) ? value : undefined;
    }
    const bytes = this.#bytes.subarray(at, at + size);
    return at >= 0 && bytes.length === size && bytes.every((byte) => byte === BYTE.zero)
      ? constant(0)
      : undefined;
  }

  /** Returns how much of a range was written. */
  written(offset: number, size: number): "all" | "perhaps" | "no" {
    const at = offset + STACK;
    if (at < 0 || at + size > STACK) return "perhaps";
    let perhaps = false;
    for (let index = at; index < at + size; index++) {
      if (this.#bytes[index] === BYTE.unset) return "no";
      if (this.#bytes[index] === BYTE.maybe) perhaps = true;
    }
    return perhaps ? "perhaps" : "all";
  }

  /** Returns whether a spilled pointer overlaps a range. */
  pointerIn(offset: number, size: number): boolean {
    const first = Math.floor((offset + STACK) / SLOT);
    const last = Math.floor((offset + STACK + size - 1) / SLOT);
    for (let slot = first; slot <= last; slot++) {
      const stored = this.#slots.get(slot);
      if (stored !== undefined && isPointer(stored.value)) return true;
    }
    return false;
  }

  /** Applies a function to every spilled register. */
  map(change: (value: Value) => Value): Stack {
    let changed = false;
    const slots = new Map<number, Stored>();
    for (const [slot, stored] of this.#slots) {
      const value = change(stored.value);
      if (value !== stored.value) changed = true;
      slots.set(slot, { ...stored, value });
    }
    return changed ? new Stack(this.#bytes, slots) : this;
  }

  /** Returns the facts that hold for both stacks. */
  join(other: Stack, wide: boolean): Stack {
    if (this === other) return this;
    const bytes = this.#bytes.map((byte, index) => joinBytes(byte, other.#bytes[index] ?? 0));
    const slots = new Map<number, Stored>();
    for (const [slot, { value, size }] of this.#slots) {
      const also = other.#slots.get(slot);
      const same = also?.size === size;
      slots.set(slot, { size, value: same ? joinValues(value, also.value, wide) : ANY });
    }
    for (const [slot, { size }] of other.#slots) {
      if (!slots.has(slot)) slots.set(slot, { size, value: ANY });
    }
    return new Stack(bytes, slots);
  }

  /** Returns whether both stacks are equal. */
  same(other: Stack): boolean {
    if (this === other) return true;
    if (this.#slots.size !== other.#slots.size) return false;
    for (const [slot, { value, size }] of this.#slots) {
      const also = other.#slots.get(slot);
      if (also?.size !== size || !sameValue(value, also.value)) return false;
    }
    return this.#bytes.every((byte, index) => byte === other.#bytes[index]);
  }

  #without(at: number, size: number): Map<number, Stored> {
    const slots = new Map(this.#slots);
    const last = Math.floor((at + size - 1) / SLOT);
    for (let slot = Math.floor(at / SLOT); slot <= last; slot++) slots.delete(slot);
    return slots;
  }
}

function fits({ low, high }: Value, size: number): boolean {
  return low >= 0 && high < 2 ** (8 * size);
}

function joinBytes(left: number, right: number): number {
  if (left === right) return left;
  const written = (byte: number): boolean => byte === BYTE.written || byte === BYTE.zero;
  return written(left) && written(right) ? BYTE.written : BYTE.maybe;
}

/** One active function call. */
export interface Frame {
  /** The function. */
  readonly function: CodeFunction;
  /** The eleven registers. */
  readonly registers: readonly Value[];
  /** The stack. */
  readonly stack: Stack;
  /** Index of the caller's instruction to return to. */
  readonly returnTo: number;
  /** Identifies the chain of calls that leads here. */
  readonly chain: number;
  /** Whether a helper calls the function: once later (`async`), or repeatedly. */
  readonly callback?: "repeated" | "async" | undefined;
}

/** All frames; the last one is running. */
export type Frames = readonly Frame[];

/** Creates the frame before the first instruction of a function. */
export function newFrame(
  one: CodeFunction,
  values: readonly Value[],
  depth: number,
  call: Pick<Frame, "returnTo" | "chain" | "callback">,
): Frame {
  const registers = Array.from<Value>({ length: 11 }).fill(UNSET);
  values.forEach((value, index) => registers[index + 1] = value);
  registers[FRAME_REGISTER] = pointer("stack", { frame: depth });
  return { function: one, registers, stack: Stack.empty, ...call };
}

/** Returns the frames with fields of the running one replaced. */
function withTop(frames: Frames, change: Partial<Frame>): Frames {
  const top = frames[frames.length - 1] as Frame;
  return [...frames.slice(0, -1), { ...top, ...change }];
}

/** Returns the frames with a register of the running one set. */
export function withRegister(frames: Frames, register: number, value: Value): Frames {
  // The frame pointer is read-only, and the verifier refuses numbers above 10.
  if (register >= FRAME_REGISTER) return frames;
  const registers = [...(frames[frames.length - 1] as Frame).registers];
  registers[register] = value;
  return withTop(frames, { registers });
}

/** Returns the frames with one stack replaced. */
export function withStack(frames: Frames, index: number, stack: Stack): Frames {
  const frame = frames[index];
  if (frame === undefined || frame.stack === stack) return frames;
  return frames.map((one, at) => at === index ? { ...frame, stack } : one);
}

/** Applies a function to every value in registers and stacks. */
export function mapValues(frames: Frames, change: (value: Value) => Value): Frames {
  return frames.map((frame) => ({
    ...frame,
    registers: frame.registers.map(change),
    stack: frame.stack.map(change),
  }));
}

/** Returns the facts that hold in both states, which must have the same functions. */
export function joinFrames(left: Frames, right: Frames, wide: boolean): Frames {
  return left.map((frame, index) => {
    const other = right[index] ?? frame;
    return {
      ...frame,
      registers: frame.registers.map((value, register) =>
        joinValues(value, other.registers[register] ?? UNSET, wide)
      ),
      stack: frame.stack.join(other.stack, wide),
    };
  });
}

/** Returns whether two states are equal. */
export function sameFrames(left: Frames, right: Frames): boolean {
  return left.length === right.length && left.every((frame, index) => {
    const other = right[index];
    return other !== undefined &&
      frame.registers.every((value, at) => sameValue(value, other.registers[at] ?? UNSET)) &&
      frame.stack.same(other.stack);
  });
}
