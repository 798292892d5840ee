/**
 * What the rules about CAP_PERFMON are given with each instruction, and how they answer.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { Instruction } from "../object/code/instruction.ts";
import type { ExternSpec } from "../object/spec/spec.ts";
import type { ProgramTypeName } from "../uapi/enums.ts";
import type { Frame, Frames } from "./frames.ts";
import type { InstructionTarget } from "./functions.ts";
import { UNSET, type Value } from "./value.ts";

/** What of an object the rules look at. */
export interface ObjectFacts {
  /** Its types. */
  readonly btf: Btf | undefined;
  /** Its externs by name. */
  readonly externs: ReadonlyMap<string, ExternSpec>;
}

/** How much may be followed of all programs of an object together. */
export interface Effort {
  /** Instructions. */
  steps: number;
}

/** An instruction in a state. */
export interface Site {
  /** The program's type. */
  readonly type: ProgramTypeName;
  /** The object. */
  readonly object: ObjectFacts;
  /** The instruction. */
  readonly instruction: Instruction;
  /** Its index in its function. */
  readonly at: number;
  /** What it refers to. */
  readonly target: InstructionTarget | undefined;
  /** Whether CO-RE changes it at load. */
  readonly relocated: boolean;
  /** What is known before it. */
  readonly frames: Frames;
  /** Tells this instruction, on this way to it, from all others. */
  readonly id: number;
  /** Says that the verifier refuses this without CAP_PERFMON. `certain` is false where it may or may not. */
  report(text: string, certain: boolean): void;
  /** Notes how the verifier would mask an addition here. False when it was another way before. */
  masked(key: string): boolean;
}

/** The running frame. */
export function top(frames: Frames): Frame {
  return frames[frames.length - 1] as Frame;
}

/** A register of the running frame. */
export function register({ frames }: Pick<Site, "frames">, number: number): Value {
  return top(frames).registers[number] ?? UNSET;
}

const NAMES: { readonly [kind in Value["kind"]]?: string } = {
  "context": "the address of its context",
  "stack": "an address on its stack",
  "packet": "a pointer into the packet",
  "packet-meta": "a pointer to the packet's metadata",
  "packet-end": "the pointer to the packet's end",
  "map": "the address of a map",
  "map-value": "a pointer to a map's value",
  "memory": "a pointer to memory",
  "object": "a pointer to a kernel object",
  "socket": "a pointer to a socket",
  "function": "the address of a function",
  "flow-keys": "a pointer to flow keys",
};

/** A value in words. */
export function valueText({ kind }: Value): string {
  return NAMES[kind] ?? "a pointer";
}
