/**
 * Options of map operations, and types that exclude wrong calls at compile time.
 *
 * @module
 */

import type { Encoder } from "../stream/mod.ts";
import type { HasDescriptor } from "./values.ts";
import { BPF_F_CPU, BPF_F_LOCK } from "../../uapi/bpf_flags.ts";

/** Condition for setting a value: always, only for a new key, or only for an existing key. */
export type SetMode = "always" | "create" | "replace";

/** Options of setting a value. */
export interface SetOptions {
  /** `create` fails with EEXIST when the key exists, `replace` with ENOENT when it does not. @default {"always"} */
  readonly mode?: SetMode | undefined;
  /**
   * Whether the kernel holds the value's `bpf_spin_lock` during the copy (BPF_F_LOCK, Linux 5.1).
   *
   * @default {false}
   */
  readonly lock?: boolean | undefined;
  /** Further flags (BPF_F_…) of BPF_MAP_UPDATE_ELEM. */
  readonly flags?: number | undefined;
}

/** Options of reading a value. */
export interface GetOptions {
  /**
   * Whether the kernel holds the value's `bpf_spin_lock` during the copy (BPF_F_LOCK, Linux 5.1).
   *
   * @default {false}
   */
  readonly lock?: boolean | undefined;
  /** Further flags (BPF_F_…) of the lookup command. */
  readonly flags?: number | undefined;
}

/**
 * Type of the values that may be set where values of type `T` are read: if `T` includes numbers, these may be
 * descriptors, so objects with a descriptor are accepted too.
 *
 * @typeParam T The type of values that are read.
 */
export type Input<T> = number extends T ? T | HasDescriptor : T;

/**
 * Type of one CPU's value in a per-CPU map.
 *
 * @typeParam V The type of the values of all CPUs, an array.
 */
export type OneCpu<V> = V extends readonly (infer One)[] ? One : V;

/** Options of pushing a value. */
export interface PushOptions {
  /** Drops the oldest value when a queue or stack is full. @default {false} */
  readonly force?: boolean | undefined;
}

/** Options of writing a user ring buffer. */
export interface WriterOptions<T> {
  /** Encodes a value into bytes; without it, values are bytes. */
  readonly encoder?: Encoder<T> | undefined;
}

const MODES: { readonly [mode in SetMode]: number } = { always: 0, create: 1, replace: 2 };

/** Returns the flags of BPF_MAP_UPDATE_ELEM. Bits from 2³² hold a CPU, so flags are added, not or-ed. */
export function setFlags({ mode = "always", lock = false, flags = 0 }: SetOptions): number {
  return withFlag(MODES[mode] + (lock ? BPF_F_LOCK : 0), flags);
}

/** Returns the flags of BPF_MAP_LOOKUP_ELEM. */
export function getFlags({ lock = false, flags = 0 }: GetOptions): number {
  return withFlag(lock ? BPF_F_LOCK : 0, flags);
}

/** Returns the flags that select one CPU's value: BPF_F_CPU, with the CPU in the upper 32 bits. */
export function cpuFlags(cpu: number): number {
  return BPF_F_CPU + cpu * 2 ** 32;
}

function withFlag(own: number, given: number): number {
  return given > 0xffffffff ? own + given : (own | given) >>> 0;
}
