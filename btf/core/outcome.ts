/**
 * How a CO-RE relocation ends: with a number for the instruction, or poisoned.
 *
 * @module
 */

/** What an instruction is patched with. */
export interface CoreValue {
  /** Tells the outcome. */
  readonly kind: "value";
  /** The number for this kernel; read as signed 64-bit. */
  readonly value: number | bigint;
  /** The number that clang left in the instruction. */
  readonly original: number | bigint;
  /** Whether the instruction must hold `original` before it is patched: not for bitfields and type ids. */
  readonly validate: boolean;
  /** Bytes that the access reads in the object's own definition; 0 where that does not matter. */
  readonly originalSize: number;
  /** Bytes that the access reads in this kernel; a load instruction is narrowed or widened to it. */
  readonly size: number;
  /** The sizes differ in a way that no load can make good: neither two pointers nor two unsigned integers. */
  readonly sizeMismatch: boolean;
}

/** The instruction cannot be made to work here; it is replaced by a call that the verifier refuses if it is ever reached. */
export interface CorePoison {
  /** Tells the outcome. */
  readonly kind: "poison";
  /** Why: one line. */
  readonly reason: string;
}

/** How a relocation ends. */
export type CoreOutcome = CoreValue | CorePoison;
