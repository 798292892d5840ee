/**
 * The interface between the walk over a program and the CAP_PERFMON rules.
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

/** What the rules read of an object. */
export interface ObjectFacts {
  /** The object's BTF. */
  readonly btf: Btf | undefined;
  /** Its externs by name. */
  readonly externs: ReadonlyMap<string, ExternSpec>;
}

/** Budget of the analysis for all programs of an object together. */
export interface Effort {
  /** Instructions left to follow. */
  steps: number;
}

/** An instruction with the state before it. */
export interface Site {
  /** Program type. */
  readonly type: ProgramTypeName;
  /** The object. */
  readonly object: ObjectFacts;
  /** The instruction. */
  readonly instruction: Instruction;
  /** Its index in its function. */
  readonly at: number;
  /** What it refers to. */
  readonly target: InstructionTarget | undefined;
  /** Whether CO-RE patches it at load. */
  readonly relocated: boolean;
  /** The state before it. */
  readonly frames: Frames;
  /** Identifies the instruction on this path. */
  readonly id: number;
  /**
   * Reports a use that the verifier refuses without CAP_PERFMON; `certain` is false when it may
   * allow it.
   */
  report(text: string, certain: boolean): void;
  /**
   * Records the speculation mask of an addition. Returns false when an earlier path had another
   * mask.
   */
  masked(key: string): boolean;
}

/** Returns the running frame. */
export function top(frames: Frames): Frame {
  return frames[frames.length - 1] as Frame;
}

/** Returns a register of the running frame. */
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

/** Describes a value in an error text. */
export function valueText({ kind }: Value): string {
  return NAMES[kind] ?? "a pointer";
}
