/**
 * What BTF types are in JS.
 *
 * @module
 */

/**
 * A value as a codec gives it.
 *
 * Integers of up to four bytes are numbers, wider ones and pointers bigints; an enumerator is its name,
 * or a number when it has none; a `char` array is text up to its NUL; a byte array is a `Uint8Array`;
 * structs and unions are objects whose anonymous members are flattened into them.
 */
export type BtfValue =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array<ArrayBuffer>
  | BtfValue[]
  | BtfRecord;

/** A struct, union or data section as an object; the keys are the members' names in their order. */
export interface BtfRecord {
  /** A member by its name. */
  [name: string]: BtfValue;
}

/** How 64-bit and wider integers come out. */
export interface CodecOptions {
  /**
   * `"always"` (the default): every integer of eight bytes or more is a bigint, whatever its value, so
   * that a field's type never depends on the data. `"when-needed"`: a number as long as it is safe, for
   * printing and JSON.
   */
  readonly bigints?: "always" | "when-needed" | undefined;
}
