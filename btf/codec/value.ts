/**
 * JS values of BTF types.
 *
 * @module
 */

/**
 * A decoded value.
 *
 * Integers of up to four bytes are numbers, wider ones and pointers are bigints. An enumerator is its name,
 * or a number when it has none. A `char` array is text up to its NUL, a byte array is a `Uint8Array`.
 * Structs and unions are objects; the members of anonymous ones belong to the enclosing object.
 */
export type BtfValue =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array<ArrayBuffer>
  | BtfValue[]
  | BtfRecord;

/** A struct, union or data section as an object whose keys are the members' names, in order. */
export interface BtfRecord {
  /** A member by name. */
  [name: string]: BtfValue;
}

/** Options of a codec. */
export interface CodecOptions {
  /**
   * The type of decoded integers of eight bytes or more. `"always"`: a bigint for every value, so that a
   * field's type does not depend on the data. `"when-needed"`: a number when it is a safe integer, for
   * printing and JSON.
   *
   * @default {"always"}
   */
  readonly bigints?: "always" | "when-needed" | undefined;
}
