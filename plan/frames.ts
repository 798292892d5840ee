/**
 * The state of a program before an instruction: frames with registers and a stack.
 *
 * @module
 */

import type { CodeFunction } from "./functions.ts";
import { ANY, isPointer, joinValues, pointer, sameValue, UNSET, type Value } from "./value.ts";

/** Bytes of the stack. */
export const STACK: number = 512;
/** Bytes of a slot that holds a register. */
const SLOT = 8;
/** Register 10: the end of the stack. */
const FRAME_REGISTER = 10;

/** Whether a byte of the stack was written. */
const BYTE = { unset: 0, written: 1, maybe: 2 } as const;

/** The stack of a frame; it does not change. Offsets count from its end, and are negative. */
export class Stack {
  /** One without a byte written. */
  static readonly empty: Stack = new Stack(new Uint8Array(STACK), new Map());
  readonly #bytes: Uint8Array;
  /** Registers that were stored whole, by slot. */
  readonly #slots: ReadonlyMap<number, Value>;

  private constructor(bytes: Uint8Array, slots: ReadonlyMap<number, Value>) {
    this.#bytes = bytes;
    this.#slots = slots;
  }

  /** Stores `size` bytes. */
  store(offset: number, size: number, value: Value): Stack {
    const at = offset + STACK;
    if (at < 0 || at + size > STACK) return this;
    const slots = this.#without(at, size);
    if (size === SLOT && at % SLOT === 0) slots.set(at / SLOT, value);
    const bytes = this.#bytes.slice();
    bytes.fill(BYTE.written, at, at + size);
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

  /** Marks what was not written from an offset on as perhaps written; what was stored is kept. */
  mayFill(offset: number): Stack {
    const at = Math.max(0, Number.isFinite(offset) ? offset + STACK : 0);
    if (this.#bytes.indexOf(BYTE.unset, at) < 0) return this;
    const bytes = this.#bytes.map((byte, index) =>
      index >= at && byte === BYTE.unset ? BYTE.maybe : byte
    );
    return new Stack(bytes, this.#slots);
  }

  /** What a load gives: a register that was stored whole, or undefined. */
  load(offset: number, size: number): Value | undefined {
    const at = offset + STACK;
    return size === SLOT && at % SLOT === 0 ? this.#slots.get(at / SLOT) : undefined;
  }

  /** What a load of the lower part of a number that was stored whole gives. */
  part(offset: number, size: number): Value | undefined {
    const at = offset + STACK;
    const value = at % SLOT === 0 ? this.#slots.get(at / SLOT) : undefined;
    if (value?.kind !== "number" || size > 4) return undefined;
    return value.low >= 0 && value.high < 2 ** (8 * size) ? value : undefined;
  }

  /** How much of some bytes was written. */
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

  /** The register that was stored where these bytes are, if it is a pointer. */
  pointerIn(offset: number, size: number): boolean {
    const first = Math.floor((offset + STACK) / SLOT);
    const last = Math.floor((offset + STACK + size - 1) / SLOT);
    for (let slot = first; slot <= last; slot++) {
      const value = this.#slots.get(slot);
      if (value !== undefined && isPointer(value)) return true;
    }
    return false;
  }

  /** Applies a function to every register that was stored. */
  map(change: (value: Value) => Value): Stack {
    let changed = false;
    const slots = new Map<number, Value>();
    for (const [slot, value] of this.#slots) {
      const after = change(value);
      if (after !== value) changed = true;
      slots.set(slot, after);
    }
    return changed ? new Stack(this.#bytes, slots) : this;
  }

  /** What holds for both. */
  join(other: Stack, wide: boolean): Stack {
    if (this === other) return this;
    const bytes = this.#bytes.map((byte, index) =>
      byte === other.#bytes[index] ? byte : BYTE.maybe
    );
    const slots = new Map<number, Value>();
    for (const [slot, value] of this.#slots) {
      const also = other.#slots.get(slot);
      slots.set(slot, also === undefined ? ANY : joinValues(value, also, wide));
    }
    for (const slot of other.#slots.keys()) {
      if (!slots.has(slot)) slots.set(slot, ANY);
    }
    return new Stack(bytes, slots);
  }

  /** Whether they hold the same. */
  same(other: Stack): boolean {
    if (this === other) return true;
    if (this.#slots.size !== other.#slots.size) return false;
    for (const [slot, value] of this.#slots) {
      const also = other.#slots.get(slot);
      if (also === undefined || !sameValue(value, also)) return false;
    }
    return this.#bytes.every((byte, index) => byte === other.#bytes[index]);
  }

  #without(at: number, size: number): Map<number, Value> {
    const slots = new Map(this.#slots);
    const last = Math.floor((at + size - 1) / SLOT);
    for (let slot = Math.floor(at / SLOT); slot <= last; slot++) slots.delete(slot);
    return slots;
  }
}

/** A function that runs. */
export interface Frame {
  /** Which. */
  readonly function: CodeFunction;
  /** Eleven. */
  readonly registers: readonly Value[];
  /** Its stack. */
  readonly stack: Stack;
  /** Where its caller goes on. */
  readonly returnTo: number;
  /** Tells ways to get here apart: the calls. */
  readonly chain: number;
  /** Whether a helper calls it: once (`async`), or again and again. */
  readonly callback?: "repeated" | "async" | undefined;
}

/** Every frame, the running one last. */
export type Frames = readonly Frame[];

/** A frame before the first instruction of a function. */
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

/** The frames with the running one changed. */
function withTop(frames: Frames, change: Partial<Frame>): Frames {
  const top = frames[frames.length - 1] as Frame;
  return [...frames.slice(0, -1), { ...top, ...change }];
}

/** The frames with a register of the running one set. */
export function withRegister(frames: Frames, register: number, value: Value): Frames {
  // There are eleven; code that names another is refused by the verifier.
  if (register >= FRAME_REGISTER) return frames;
  const registers = [...(frames[frames.length - 1] as Frame).registers];
  registers[register] = value;
  return withTop(frames, { registers });
}

/** The frames with one stack changed. */
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

/** What holds for both, of the same functions. */
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

/** Whether two states are the same. */
export function sameFrames(left: Frames, right: Frames): boolean {
  return left.length === right.length && left.every((frame, index) => {
    const other = right[index];
    return other !== undefined &&
      frame.registers.every((value, at) => sameValue(value, other.registers[at] ?? UNSET)) &&
      frame.stack.same(other.stack);
  });
}
