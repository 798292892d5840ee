/**
 * How a live map is used: options, and the types that keep wrong calls from compiling.
 *
 * @module
 */

import type { Encoder } from "../stream/mod.ts";
import type { HasDescriptor } from "./values.ts";
import { BPF_F_CPU, BPF_F_LOCK } from "../../uapi/bpf_flags.ts";

/** When a key's value is set. */
export type SetMode = "always" | "create" | "replace";

/** How a value is set. */
export interface SetOptions {
  /** `create` fails with EEXIST when the key is there, `replace` with ENOENT when it is not. */
  readonly mode?: SetMode | undefined;
  /** Takes the value's `bpf_spin_lock` meanwhile (BPF_F_LOCK, Linux 5.1). */
  readonly lock?: boolean | undefined;
  /** BPF_F_… beside the mode. */
  readonly flags?: number | undefined;
}

/** How a value is read. */
export interface GetOptions {
  /** Takes the value's `bpf_spin_lock` meanwhile (BPF_F_LOCK, Linux 5.1). */
  readonly lock?: boolean | undefined;
  /** BPF_F_… */
  readonly flags?: number | undefined;
}

/**
 * What may be given where a value of type `T` comes back: a number can be the descriptor or id of a thing,
 * and then the thing itself does too.
 *
 * @typeParam T The value that comes back.
 */
export type Input<T> = number extends T ? T | HasDescriptor : T;

/**
 * The value of one CPU in a map where each CPU has its own.
 *
 * @typeParam V The value of all CPUs: an array.
 */
export type OneCpu<V> = V extends readonly (infer One)[] ? One : V;

/** How a value is pushed. */
export interface PushOptions {
  /** Drops the oldest value when a queue or stack is full. @default {false} */
  readonly force?: boolean | undefined;
}

/** How a user ring buffer is written. */
export interface WriterOptions<T> {
  /** Turns a value into bytes; without it, values are bytes. */
  readonly encoder?: Encoder<T> | undefined;
}

const MODES: { readonly [mode in SetMode]: number } = { always: 0, create: 1, replace: 2 };

/** The flags of BPF_MAP_UPDATE_ELEM; bits from 2³² on hold a CPU, so they are added up. */
export function setFlags({ mode = "always", lock = false, flags = 0 }: SetOptions): number {
  return withFlag(MODES[mode] + (lock ? BPF_F_LOCK : 0), flags);
}

/** The flags of BPF_MAP_LOOKUP_ELEM. */
export function getFlags({ lock = false, flags = 0 }: GetOptions): number {
  return withFlag(lock ? BPF_F_LOCK : 0, flags);
}

/** The flags that mean one CPU's value. */
export function cpuFlags(cpu: number): number {
  return BPF_F_CPU + cpu * 2 ** 32;
}

function withFlag(own: number, given: number): number {
  return given > 0xffffffff ? own + given : (own | given) >>> 0;
}
