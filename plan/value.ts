/**
 * What a register or a stack slot may hold, as the verifier sees it.
 *
 * @module
 */

import type { MapSpec } from "../object/spec/spec.ts";
import type { CodeFunction } from "./functions.ts";

/**
 * Kind of a value.
 *
 * - `unset`: never written.
 * - `stale`: a packet or slice pointer that a call invalidated.
 * - `object`: a kernel object with BTF.
 * - `memory`: bytes outside maps.
 * - `any`: not tracked.
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
  /** Its kind. */
  readonly kind: ValueKind;
  /** Lower bound of the number or pointer offset. */
  readonly low: number;
  /** Upper bound of the number or pointer offset. */
  readonly high: number;
  /** Whether the range joins several paths, on each of which it may be one number. */
  readonly joined: boolean;
  /**
   * Identifies the origin of a pointer that may be null; copies share it. 0 when it is not null.
   */
  readonly nullable: number;
  /** The map, for `map` and `map-value`. */
  readonly map?: MapSpec | undefined;
  /** The frame, for `stack`. */
  readonly frame?: number | undefined;
  /** The function, for `function`. */
  readonly function?: CodeFunction | undefined;
}

function plain(kind: ValueKind): Value {
  return { kind, low: 0, high: 0, joined: false, nullable: 0 };
}

/** Values without further facts. */
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
/** Any number. */
export const NUMBER: Value = { ...plain("number"), low: -Infinity, high: Infinity };

/** Returns a known number. */
export function constant(value: number): Value {
  return range(value, value);
}

/** Returns a number within bounds. */
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

/** Returns a pointer of a kind. */
export function pointer(kind: ValueKind, more: Partial<Value> = {}): Value {
  return { ...plain(kind), ...more };
}

/** Returns whether the value is one known number. */
export function isConstant({ kind, low, high }: Value): boolean {
  return kind === "number" && low === high;
}

/** Returns whether the value is certainly a pointer, which may still be null. */
export function isPointer({ kind }: Value): boolean {
  return kind !== "number" && kind !== "unset" && kind !== "stale" && kind !== "any";
}

/** Returns whether two values are equal. */
export function sameValue(left: Value, right: Value): boolean {
  return left === right ||
    left.kind === right.kind && left.low === right.low && left.high === right.high &&
      left.joined === right.joined && left.nullable === right.nullable &&
      left.map === right.map && left.frame === right.frame && left.function === right.function;
}

/** Returns the facts that hold for both values; `wide` makes growing bounds infinite. */
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
