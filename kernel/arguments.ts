/**
 * Checks what reaches the kernel: sizes, counts, offsets and indices are whole numbers in their range, and
 * bytes lie in a buffer that nobody else can change or take away.
 *
 * A JS number that is no such number becomes another one on its way (`4096 - 2 ** 32` becomes 4096 in a
 * 32-bit field): the kernel then works on memory of another size than this process has for it.
 *
 * @module
 */

import { SkepError } from "../errors/skep_error.ts";

/** The largest number of 32 bits. */
const U32 = 2 ** 32 - 1;

/** A whole number within bounds, or a {@linkcode SkepError} that says what it must be. */
export function wholeNumber(
  value: number,
  what: string,
  least: number = 0,
  most: number = U32,
): number {
  // Number.isInteger() is false for whatever is no number.
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
  throw argumentError(what, `it must be a whole number ${range}, not ${shown(value)}`);
}

/**
 * A descriptor's number, or -1 for what has none any more, which the kernel refuses. What does not fit into 32
 * bits would be cut to the number of another file.
 */
export function descriptorNumber(fd: number): number {
  if (typeof fd === "number" && fd === (fd | 0) && fd >= -1) return fd;
  return wholeNumber(fd, "a descriptor", -1, 2 ** 31 - 1);
}

/** A number of things or of milliseconds that may be without an end. */
export function limitOf(value: number, what: string): number {
  return value === Infinity ? value : wholeNumber(value, what, 0, Number.MAX_SAFE_INTEGER);
}

/**
 * Bytes in a buffer of fixed length that is this thread's own, or a {@linkcode SkepError}: a shared one can be
 * changed while it is read, a resizable one can shrink, a detached one has no memory.
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

/** The error of an argument that cannot be given to the kernel. */
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
