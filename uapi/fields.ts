/**
 * Reads and writes fields of the kernel's structs by their generated layouts.
 *
 * @module
 */

import type { Field } from "./layouts.ts";

/** Writes a field of a struct; numbers are cut to its size. */
export function setField(view: DataView, field: Field, value: number | bigint): void {
  const [offset, size] = field;
  const shift = field[2];
  if (shift !== undefined) {
    const mask = ((1n << BigInt(field[3] ?? 0)) - 1n) << BigInt(shift);
    const bits = (BigInt(value) << BigInt(shift)) & mask;
    if (size === 8) {
      view.setBigUint64(offset, (view.getBigUint64(offset, true) & ~mask) | bits, true);
    } else {view.setUint32(
        offset,
        Number((BigInt(view.getUint32(offset, true)) & ~mask) | bits),
        true,
      );}
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

/** Reads a field of up to 32 bits, or a 64-bit one that is known to be small, as a number. */
export function getNumber(view: DataView, field: Field): number {
  const [offset, size] = field;
  const shift = field[2];
  if (shift !== undefined) {
    const word = size === 8
      ? view.getBigUint64(offset, true)
      : BigInt(view.getUint32(offset, true));
    return Number((word >> BigInt(shift)) & ((1n << BigInt(field[3] ?? 0)) - 1n));
  }
  if (size === 8) return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
  if (size === 4) return view.getUint32(offset, true);
  return size === 2 ? view.getUint16(offset, true) : view.getUint8(offset);
}
