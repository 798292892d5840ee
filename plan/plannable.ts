/**
 * The part of an object that a plan reads.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { BtfExt } from "../btf/ext.ts";
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
    | Iterable<{
      /** Its name; static functions of several source files may share one. */
      readonly name: string;
      /** Eight bytes each. */
      readonly instructions: Uint8Array;
      /** Bytes from the start of `.text`: without it no call is followed to it. */
      readonly sectionOffset?: number | undefined;
      /** Whether the verifier checks it on its own, by its types. */
      readonly global?: boolean | undefined;
    }>
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
      /** Counted from the function's start. */
      readonly instruction?: number | undefined;
      /** Bytes from the start of the target. */
      readonly offset?: number | undefined;
    }>
    | undefined;
  /** Its BTF, if it has any. */
  readonly btf?: Btf | undefined;
  /** Its CO-RE relocations. */
  readonly btfExt?: Pick<BtfExt, "core"> | undefined;
}
