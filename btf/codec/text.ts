/**
 * Decodes text in `char` arrays, and integers that DataView has no method for.
 *
 * @module
 */

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();
const { fromCharCode } = String;

/**
 * Decodes text up to the first NUL or the end of the array. Bytes that are not UTF-8 decode to U+FFFD.
 *
 * Most text is short and ASCII: decoding four bytes at a time is about thirty times faster than a
 * `TextDecoder`.
 */
export function readText(view: DataView, at: number, length: number): string {
  const end = at + length;
  let text = "";
  let next = at;
  for (; next + 4 <= end; next += 4) {
    const word = view.getUint32(next, true);
    // True for a byte above 127 or a zero byte.
    if (((word | ((word - 0x01010101) & ~word)) & 0x80808080) !== 0) break;
    text += fromCharCode(word & 255, word >>> 8 & 255, word >>> 16 & 255, word >>> 24);
  }
  for (; next < end; next++) {
    const byte = view.getUint8(next);
    if (byte === 0) return text;
    if (byte > 127) return readUnicode(view, at, end);
    text += fromCharCode(byte);
  }
  return text;
}

function readUnicode(view: DataView, at: number, end: number): string {
  let stop = at;
  while (stop < end && view.getUint8(stop) !== 0) stop++;
  const bytes = bytesOf(view, at, stop - at);
  // Not every engine lets a TextDecoder read memory shared with other writers, such as a mapped ring
  // buffer.
  return decoder.decode(bytes.slice());
}

/** Returns the bytes of a text in UTF-8. */
export function textBytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

const bufferGetter = Object.getOwnPropertyDescriptor(DataView.prototype, "buffer")?.get;

/**
 * Returns bytes of a view for reading, even of a view that hides its buffer because it must not be written.
 */
function bytesOf(view: DataView, at: number, length: number): Uint8Array {
  const buffer = bufferGetter === undefined
    ? view.buffer
    : Reflect.apply(bufferGetter, view, []) as ArrayBuffer;
  return new Uint8Array(buffer, view.byteOffset + at, length);
}

/** Copies bytes out of a view. */
export function readBytes(view: DataView, at: number, length: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(length);
  copy.set(bytesOf(view, at, length));
  return copy;
}

/** Reads 16 bytes as one integer. */
export function readWide(view: DataView, at: number, signed: boolean, little: boolean): bigint {
  const low = view.getBigUint64(little ? at : at + 8, little);
  const high = little ? at + 8 : at;
  return (signed ? view.getBigInt64(high, little) : view.getBigUint64(high, little)) << 64n | low;
}

/** Reads up to 64 bits that start `shift` bits into a byte. */
export function readBits(
  view: DataView,
  at: number,
  shift: number,
  bits: number,
  little: boolean,
): bigint {
  const bytes = (shift + bits + 7) >> 3;
  let value = 0n;
  for (let index = 0; index < bytes; index++) {
    const byte = BigInt(view.getUint8(little ? at + bytes - 1 - index : at + index));
    value = value << 8n | byte;
  }
  const drop = little ? shift : bytes * 8 - shift - bits;
  return BigInt.asUintN(bits, value >> BigInt(drop));
}

/** Writes up to 64 bits that start `shift` bits into a byte; the surrounding bits are unchanged. */
export function writeBits(
  view: DataView,
  at: number,
  shift: number,
  bits: number,
  little: boolean,
  value: bigint,
): void {
  const bytes = (shift + bits + 7) >> 3;
  const drop = BigInt(little ? shift : bytes * 8 - shift - bits);
  const mask = ((1n << BigInt(bits)) - 1n) << drop;
  let old = 0n;
  for (let index = 0; index < bytes; index++) {
    old = old << 8n | BigInt(view.getUint8(little ? at + bytes - 1 - index : at + index));
  }
  let word = (old & ~mask) | (value << drop & mask);
  for (let index = bytes - 1; index >= 0; index--) {
    view.setUint8(little ? at + bytes - 1 - index : at + index, Number(word & 255n));
    word >>= 8n;
  }
}

/** Returns a bigint as a number when that loses nothing. */
export function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
