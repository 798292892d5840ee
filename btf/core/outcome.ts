/**
 * The outcome of a CO-RE relocation: a value for the instruction, or a poison.
 *
 * @module
 */

/** The value that an instruction is patched with. */
export interface CoreValue {
  /** The discriminator. */
  readonly kind: "value";
  /** The value for this kernel, a signed 64-bit number. */
  readonly value: number | bigint;
  /** The value that clang wrote into the instruction. */
  readonly original: number | bigint;
  /**
   * Whether the instruction must hold `original` before it is patched; false for bitfields and type ids.
   */
  readonly validate: boolean;
  /** Size of the access in the object's definition, in bytes; 0 where it does not matter. */
  readonly originalSize: number;
  /** Size of the access in this kernel, in bytes; a load is narrowed or widened to it. */
  readonly size: number;
  /**
   * Whether the sizes differ and no load can compensate: neither two pointers nor two unsigned integers.
   */
  readonly sizeMismatch: boolean;
}

/**
 * The relocation cannot be resolved: the instruction is replaced by a call that the verifier refuses if it
 * is reached.
 */
export interface CorePoison {
  /** The discriminator. */
  readonly kind: "poison";
  /** The reason, in one line. */
  readonly reason: string;
}

/** The outcome of a relocation. */
export type CoreOutcome = CoreValue | CorePoison;
