/**
 * The part of an object that a plan reads.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { BtfExt } from "../btf/ext.ts";
import type { ExternSpec, MapSpec, ProgramSpec } from "../object/spec/spec.ts";

/** The part of an object that a plan reads; `ObjectSpec` has it. */
export interface Plannable {
  /** Name of the object, for reasons. */
  readonly name: string;
  /** Its maps, internal ones included. */
  readonly maps: Iterable<MapSpec>;
  /** Its programs. */
  readonly programs: Iterable<ProgramSpec>;
  /** The kernel symbols and kernel functions that it refers to. */
  readonly externs?: Iterable<ExternSpec> | undefined;
  /** The functions that its programs call. */
  readonly subprograms?:
    | Iterable<{
      /** Name of the function; static functions of several source files may share one. */
      readonly name: string;
      /** Its instructions, eight bytes each. */
      readonly instructions: Uint8Array;
      /** Offset in `.text` in bytes; without it, calls of the function are not followed. */
      readonly sectionOffset?: number | undefined;
      /** Whether it is a global function, which the verifier checks separately. */
      readonly global?: boolean | undefined;
    }>
    | undefined;
  /** The relocations of its functions. */
  readonly relocations?:
    | Iterable<{
      /** Name of the function. */
      readonly function: string;
      /** Kind of the relocation; `extern-call` for kernel functions. */
      readonly kind: string;
      /** Name of the target. */
      readonly target: string;
      /** Index of the instruction in the function. */
      readonly instruction?: number | undefined;
      /** Offset in the target in bytes. */
      readonly offset?: number | undefined;
    }>
    | undefined;
  /** Its BTF, if any. */
  readonly btf?: Btf | undefined;
  /** Its CO-RE relocations. */
  readonly btfExt?: Pick<BtfExt, "core"> | undefined;
}
