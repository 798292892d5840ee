/**
 * Calls of helpers and kernel functions: what they read from the stack, what they return, and which
 * callbacks they call.
 *
 * @module
 */

import { Helper } from "../uapi/enums.ts";
import { type Frames, mapValues, withRegister, withStack } from "./frames.ts";
import type { CodeFunction } from "./functions.ts";
import { changesPacket, type HelperMemory, helperMemory, helperResult } from "./helper_memory.ts";
import { readStack } from "./perfmon_memory.ts";
import { register, type Site, top } from "./perfmon_site.ts";
import { ANY, isPointer, MEMORY, pointer, STALE, UNSET, type Value } from "./value.ts";
import { unknownNumber } from "./number_range.ts";
import { helperText } from "./scan.ts";
import { kfuncMemory, kfuncResult } from "./kfunc_types.ts";

/** A callback of a helper, with its arguments. */
export interface Callback {
  /** The function. */
  readonly function: CodeFunction;
  /** Its arguments. */
  readonly values: readonly Value[];
  /** `repeated`: called before the helper returns. `async`: called later. */
  readonly kind: "repeated" | "async";
}

/** Result of a call. */
export interface CallResult {
  /** The state after it. */
  readonly frames: Frames;
  /** The callback that runs first, if any. */
  readonly callback?: Callback | undefined;
}

/** Follows a helper call. */
export function helperStep(site: Site, helper: number): CallResult {
  let { frames } = site;
  const map = register(site, 1);
  const memory = helperMemory(helper);
  const name = helperText(helper);
  for (const one of memory ?? []) frames = useMemory({ ...site, frames }, one, map, name);
  if (memory === undefined) frames = mayWrite({ ...site, frames });
  const callback = callbackOf(site, helper);
  if (changesPacket(helper)) frames = withoutPackets(frames);
  frames = afterCall(frames, helperResult(helper, map, site.id));
  return { frames, callback };
}

/** A kernel function that takes the next element of an iterator. */
const ITERATOR_STEP = /^bpf_iter_\w+_next$/;

/** Follows a call of a kernel function. */
export function kfuncStep(site: Site, name: string): CallResult {
  let { frames } = site;
  if (ITERATOR_STEP.test(name)) {
    site.report("loops over an iterator, whose end speculation may pass", false);
  }
  const extern = site.object.externs.get(name);
  const memory = kfuncMemory(site.object.btf, extern);
  for (const { address, size } of memory) {
    const value = register(site, address);
    const stack = frames[value.frame ?? -1]?.stack;
    if (value.kind !== "stack" || stack === undefined || value.low !== value.high) continue;
    frames = withStack(frames, value.frame ?? -1, stack.fill(value.low, size, true));
  }
  frames = mayWrite({ ...site, frames });
  return {
    frames: afterCall(frames, kfuncResult(site.object.btf, extern, register(site, 2), site.id)),
  };
}

/** Returns the state after a call, which clobbers registers 1 to 5. */
export function afterCall(frames: Frames, result: Value): Frames {
  let state = withRegister(frames, 0, { ...result });
  for (let number = 1; number <= 5; number++) state = withRegister(state, number, UNSET);
  return state;
}

/** Invalidates packet pointers. */
function withoutPackets(frames: Frames): Frames {
  return mapValues(frames, (value) => PACKETS.has(value.kind) ? STALE : value);
}

const PACKETS: ReadonlySet<Value["kind"]> = new Set(["packet", "packet-meta", "packet-end"]);

function useMemory(site: Site, memory: HelperMemory, map: Value, name: string): Frames {
  const { frames } = site;
  const value = register(site, memory.address);
  const stack = frames[value.frame ?? -1]?.stack;
  if (value.kind !== "stack" || stack === undefined || value.low !== value.high) return frames;
  const { size } = memory;
  let least: number;
  let most: number;
  if (typeof size === "number") least = most = size;
  else if (typeof size === "object") {
    const length = register(site, size.register);
    least = length.kind === "number" ? length.low : 0;
    most = length.kind === "number" ? length.high : Infinity;
  } else {
    least = most = (size === "key" ? map.map?.keySize : map.map?.valueSize) ?? 0;
  }
  if (memory.reads) {
    // The verifier requires the longest possible range to be initialized.
    const length = Math.min(most, -value.low);
    if (length > 0) {
      readStack(site, value.frame ?? -1, value.low, length, `hands ${name}`);
    }
    return frames;
  }
  const end = Math.min(most, -value.low);
  let after = stack.fill(value.low, Math.max(0, end), false);
  if (least > 0 && least === most) after = stack.fill(value.low, end, true);
  return withStack(frames, value.frame ?? -1, after);
}

/** Marks stack ranges whose address was passed as perhaps written. */
function mayWrite(site: Site): Frames {
  let { frames } = site;
  for (let number = 1; number <= 5; number++) {
    const value = register(site, number);
    const stack = frames[value.frame ?? -1]?.stack;
    if (value.kind !== "stack" || stack === undefined) continue;
    frames = withStack(frames, value.frame ?? -1, stack.mayFill(value.low));
  }
  return frames;
}

function callbackOf(site: Site, helper: number): Callback | undefined {
  const at = (number: number): Value => register(site, number);
  const map = at(1);
  const given = (number: number): CodeFunction | undefined => at(number).function;
  switch (helper) {
    case Helper.loop: {
      const one = given(2);
      return one && { function: one, values: [unknownNumber(), at(3)], kind: "repeated" };
    }
    case Helper.for_each_map_elem: {
      const one = given(2);
      const entry = map.kind === "map" ? pointer("map-value", { map: map.map }) : ANY;
      const values = [map, MEMORY, entry, at(3)];
      return one && { function: one, values, kind: "repeated" };
    }
    case Helper.user_ringbuf_drain: {
      const one = given(2);
      return one && { function: one, values: [ANY, at(3)], kind: "repeated" };
    }
    case Helper.timer_set_callback: {
      const one = given(2);
      return one && { function: one, values: [ANY, MEMORY, ANY], kind: "async" };
    }
    default:
      return undefined;
  }
}

/** Returns the pointer that a program returns; undefined when it returns a number. */
export function returnsPointer(frames: Frames): Value | undefined {
  const value = top(frames).registers[0] ?? UNSET;
  return isPointer(value) && value.kind !== "arena" ? value : undefined;
}
