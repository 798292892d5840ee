/**
 * Reads and writes fields of the kernel's structs by their generated layouts.
 *
 * @module
 */

/** A field's offset and size in bytes; for a bitfield also shift and width in bits. */
export type Field =
  | readonly [offset: number, size: number]
  | readonly [offset: number, size: number, shift: number, width: number];

/** Returns a view of bytes that the kernel wrote or will read. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function getWord(view: DataView, offset: number, size: number): bigint {
  if (size === 8) return view.getBigUint64(offset, true);
  return BigInt(getNumber(view, [offset, size]));
}

/** Writes a field of a struct; numbers are truncated to its size. */
export function setField(view: DataView, field: Field, value: number | bigint): void {
  const [offset, size, shift, width = 0] = field;
  if (shift !== undefined) {
    const mask = ((1n << BigInt(width)) - 1n) << BigInt(shift);
    const bits = (BigInt(value) << BigInt(shift)) & mask;
    setField(view, [offset, size], (getWord(view, offset, size) & ~mask) | bits);
  } else if (size === 8) {
    if (typeof value === "bigint") view.setBigUint64(offset, value, true);
    else {
      view.setUint32(offset, value, true);
      view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
    }
  } else if (size === 4) view.setUint32(offset, Number(value), true);
  else if (size === 2) view.setUint16(offset, Number(value), true);
  else view.setUint8(offset, Number(value));
}

/** Reads a field of up to 32 bits, or a 64-bit one that is known to be a safe integer, as a number. */
export function getNumber(view: DataView, field: Field): number {
  const [offset, size, shift, width = 0] = field;
  if (shift !== undefined) {
    return Number((getWord(view, offset, size) >> BigInt(shift)) & ((1n << BigInt(width)) - 1n));
  }
  if (size === 8) return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
  if (size === 4) return view.getUint32(offset, true);
  return size === 2 ? view.getUint16(offset, true) : view.getUint8(offset);
}

/** Reads a signed field of 32 bits. */
export function getSigned(view: DataView, field: Field): number {
  return getNumber(view, field) | 0;
}

/** Reads a field of 64 bits. */
export function getLong(view: DataView, field: Field): bigint {
  return view.getBigUint64(field[0], true);
}

/** Returns the offset of a field's end in bytes. */
export function endOf(field: Field): number {
  return field[0] + field[1];
}

/** Returns the bytes of a field, such as a name or hash. */
export function getBytes(bytes: Uint8Array, field: Field): Uint8Array {
  return bytes.subarray(field[0], endOf(field));
}

/**
 * Reads a struct that can be shorter than this version's: fields that an older kernel does not write read
 * as zero.
 */
export class StructReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;

  /** Copies the struct; `size` is this version's size in bytes. */
  constructor(bytes: Uint8Array, size: number) {
    this.#bytes = new Uint8Array(size);
    this.#bytes.set(bytes.subarray(0, size));
    this.#view = viewOf(this.#bytes);
  }

  /** Reads a field of up to 32 bits, or a 64-bit one that is known to be a safe integer. */
  number(field: Field): number {
    return getNumber(this.#view, field);
  }

  /** Reads a field of 64 bits. */
  long(field: Field): bigint {
    return getLong(this.#view, field);
  }

  /** Reads a field of characters up to its first NUL. */
  text(field: Field): string {
    const bytes = getBytes(this.#bytes, field);
    const end = bytes.indexOf(0);
    return String.fromCharCode(...end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** Reads a field of bytes as hexadecimal digits. */
  hex(field: Field): string {
    return getBytes(this.#bytes, field).toHex();
  }
}
