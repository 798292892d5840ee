/**
 * The part of an object that a plan reads.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { ExternSpec, MapSpec, ProgramSpec } from "../object/spec/spec.ts";

/** The part of an object that a plan looks at. `ObjectSpec` has it. */
export interface Plannable {
  /** The object's name, for reasons. */
  readonly name: string;
  /** Maps, with the hidden ones. */
  readonly maps: Iterable<MapSpec>;
  /** Programs. */
  readonly programs: Iterable<ProgramSpec>;
  /** Kernel symbols and kernel functions that it refers to. */
  readonly externs?: Iterable<ExternSpec> | undefined;
  /** Functions that programs call. */
  readonly subprograms?:
    | Iterable<{ readonly name: string; readonly instructions: Uint8Array }>
    | undefined;
  /** What its functions refer to. */
  readonly relocations?:
    | Iterable<{
      /** The function. */
      readonly function: string;
      /** `extern-call` for kernel functions. */
      readonly kind: string;
      /** The name of what it refers to. */
      readonly target: string;
    }>
    | undefined;
  /** Its BTF, if it has any. */
  readonly btf?: Btf | undefined;
}
