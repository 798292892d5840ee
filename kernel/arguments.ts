/**
 * Checks arguments before a system call: sizes, counts, offsets and indices must be whole numbers in range,
 * and bytes must lie in a buffer that no other code can change or detach.
 *
 * An unchecked JS number is truncated to the width of the field (`4096 - 2 ** 32` becomes 4096 in a 32-bit
 * field): the kernel then reads or writes a size that differs from the size of the memory it was given.
 *
 * @module
 */

import { SkepError } from "../errors/skep_error.ts";

/** The largest unsigned 32-bit number. */
const U32 = 2 ** 32 - 1;

/**
 * Returns `value` when it is a whole number within the bounds.
 *
 * @throws {SkepError} EINVAL otherwise, with the range.
 */
export function wholeNumber(
  value: number,
  what: string,
  least: number = 0,
  most: number = U32,
): number {
  // Number.isInteger() returns false for values that are not numbers.
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
  throw argumentError(what, `it must be a whole number ${range}, not ${shown(value)}`);
}

/**
 * Returns a descriptor's number; -1, the number of a closed descriptor, is passed on for the kernel to
 * refuse. A larger number would be truncated to the number of another file.
 *
 * @throws {SkepError} EINVAL for anything but a whole number from -1 to 2^31 - 1.
 */
export function descriptorNumber(fd: number): number {
  if (typeof fd === "number" && fd === (fd | 0) && fd >= -1) return fd;
  return wholeNumber(fd, "a descriptor", -1, 2 ** 31 - 1);
}

/** Checks a count or a number of milliseconds that may be `Infinity`. */
export function limitOf(value: number, what: string): number {
  return value === Infinity ? value : wholeNumber(value, what, 0, Number.MAX_SAFE_INTEGER);
}

/**
 * Returns `bytes` when their buffer has a fixed length and belongs to this thread alone: a shared buffer
 * can change while it is read, a resizable one can shrink, a detached one has no memory.
 *
 * @throws {SkepError} EINVAL otherwise.
 */
export function ownBytes(bytes: Uint8Array, what: string): Uint8Array {
  if (!(bytes instanceof Uint8Array)) {
    throw argumentError(what, `it must be a Uint8Array, not ${shown(bytes)}`);
  }
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer)) {
    throw argumentError(what, "its buffer is shared with other threads", "copy it first");
  }
  if (buffer.detached) throw argumentError(what, "its buffer was detached");
  if (buffer.resizable) throw argumentError(what, "its buffer is resizable", "copy it first");
  return bytes;
}

/** Makes the error of an argument that the kernel must not be given. */
export function argumentError(what: string, why: string, fix?: string): SkepError {
  return new SkepError({
    doing: "use",
    subject: what,
    errno: "EINVAL",
    stage: "usage",
    why,
    fix,
  });
}

function shown(value: unknown): string {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  return value === null ? "null" : typeof value;
}
