/**
 * What a register or a slot of the stack may hold, as the verifier sees it.
 *
 * @module
 */

import type { MapSpec } from "../object/spec/spec.ts";
import type { CodeFunction } from "./functions.ts";

/**
 * What kind of thing it is. `unset`: nothing was written there. `stale`: a pointer into a packet or slice
 * that a call has made invalid. `object`: a kernel object by its BTF. `memory`: bytes that are no map's.
 * `any`: not followed.
 */
export type ValueKind =
  | "unset"
  | "stale"
  | "number"
  | "context"
  | "stack"
  | "packet"
  | "packet-meta"
  | "packet-end"
  | "flow-keys"
  | "map"
  | "map-value"
  | "memory"
  | "object"
  | "socket"
  | "function"
  | "arena"
  | "any";

/** One value. */
export interface Value {
  /** What it is. */
  readonly kind: ValueKind;
  /** The least number, or offset of a pointer. */
  readonly low: number;
  /** The greatest. */
  readonly high: number;
  /** Whether the range is that of several paths, on each of which it may be one number. */
  readonly joined: boolean;
  /** Where a pointer that may be null is from: copies share it. 0 for one that is not null. */
  readonly nullable: number;
  /** The map, of `map` and `map-value`. */
  readonly map?: MapSpec | undefined;
  /** The frame, of `stack`. */
  readonly frame?: number | undefined;
  /** The function, of `function`. */
  readonly function?: CodeFunction | undefined;
}

function plain(kind: ValueKind): Value {
  return { kind, low: 0, high: 0, joined: false, nullable: 0 };
}

/** Values without more to them. */
export const UNSET: Value = plain("unset");
export const STALE: Value = plain("stale");
export const ANY: Value = plain("any");
export const CONTEXT: Value = plain("context");
export const PACKET: Value = plain("packet");
export const PACKET_META: Value = plain("packet-meta");
export const PACKET_END: Value = plain("packet-end");
export const OBJECT: Value = plain("object");
export const SOCKET: Value = plain("socket");
export const MEMORY: Value = plain("memory");
export const ARENA: Value = plain("arena");
/** Any number at all. */
export const NUMBER: Value = { ...plain("number"), low: -Infinity, high: Infinity };

/** A number that is known. */
export function constant(value: number): Value {
  return range(value, value);
}

/** A number within bounds. */
export function range(low: number, high: number, joined: boolean = false): Value {
  const safe = Number.isSafeInteger(low) && Number.isSafeInteger(high);
  if (safe) return { kind: "number", low, high, joined, nullable: 0 };
  return {
    kind: "number",
    low: Number.isSafeInteger(low) ? low : -Infinity,
    high: Number.isSafeInteger(high) ? high : Infinity,
    joined,
    nullable: 0,
  };
}

/** A pointer of a kind. */
export function pointer(kind: ValueKind, more: Partial<Value> = {}): Value {
  return { ...plain(kind), ...more };
}

/** Whether it is one number. */
export function isConstant({ kind, low, high }: Value): boolean {
  return kind === "number" && low === high;
}

/** Whether it is a pointer for certain: also one that may be null. */
export function isPointer({ kind }: Value): boolean {
  return kind !== "number" && kind !== "unset" && kind !== "stale" && kind !== "any";
}

/** Whether two values are the same. */
export function sameValue(left: Value, right: Value): boolean {
  return left === right ||
    left.kind === right.kind && left.low === right.low && left.high === right.high &&
      left.joined === right.joined && left.nullable === right.nullable &&
      left.map === right.map && left.frame === right.frame && left.function === right.function;
}

/** What holds for both. `wide` gives up bounds that grow. */
export function joinValues(left: Value, right: Value, wide: boolean): Value {
  if (left === right) return left;
  if (
    left.kind !== right.kind || left.map !== right.map || left.frame !== right.frame ||
    left.function !== right.function
  ) {
    return ANY;
  }
  const low = Math.min(left.low, right.low);
  const high = Math.max(left.high, right.high);
  const moved = left.low !== right.low || left.high !== right.high;
  return {
    ...left,
    low: wide && low < left.low ? -Infinity : low,
    high: wide && high > left.high ? Infinity : high,
    joined: left.joined || right.joined || moved,
    nullable: left.nullable === right.nullable ? left.nullable : left.nullable || right.nullable,
  };
}
