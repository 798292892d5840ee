/**
 * Errors, argument checks and mappings that the readers and writers of streams share.
 *
 * @module
 */

import { disposedError } from "../../errors/disposed.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { limitOf } from "../../kernel/arguments.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { readable } from "../../kernel/read_only_mapping.ts";
import type { Mapping } from "../../kernel/mapping.ts";

/** Creates an error that no system call returned: wrong use, or malformed data. */
export function streamError(doing: string, subject: string, why: string, fix?: string): SkepError {
  return new SkepError({
    doing,
    subject,
    why,
    stage: "stream",
    fix,
  });
}

/** Creates the error of a failed system call of a stream. */
export function refused(
  doing: string,
  subject: string,
  command: string,
  result: number,
  why?: string,
): KernelError {
  return new KernelError({
    doing,
    subject,
    command,
    result,
    stage: "stream",
    why,
  });
}

/** Creates the error of a call on a closed reader or writer. */
export function closedError(doing: string, name: string): SkepError {
  return disposedError(doing, name, "stream");
}

/**
 * Duplicates the caller's descriptor: the caller may close it, and its number may be reused, while the reader
 * is open.
 */
export function duplicate(kernel: Kernel, fd: number, name: string): Descriptor {
  const own = kernel.dup(fd);
  if (own < 0) throw refused("open", name, "fcntl", own);
  return new Descriptor(kernel, own);
}

/** Maps a part of a ring buffer. */
export function mapRing(
  kernel: Kernel,
  name: string,
  fd: number,
  size: number,
  options: NonNullable<Parameters<Kernel["map"]>[2]>,
): Mapping {
  const mapping = kernel.map(fd, size, options);
  if (typeof mapping === "number") throw refused("map", name, "mmap", mapping);
  // The readers here do not write; callers get copies, or views that cannot write.
  return readable(mapping);
}

/**
 * Checks the size of a ring buffer.
 *
 * @throws {SkepError} when the size is not a power of two from a page to 2 GiB.
 */
export function checkRingSize(name: string, size: number, page: number): void {
  if (size >= page && size <= 2 ** 31 && Number.isInteger(Math.log2(size))) return;
  throw streamError("open", name, `${size} bytes is not a power of two of at least a page`);
}

/**
 * Checks a limit of records.
 *
 * @throws {SkepError} EINVAL when it is neither a whole number of at least 0 nor `Infinity`.
 */
export function checkLimit(name: string, limit: number): void {
  if (!(limit >= 0) || (limit !== Infinity && !Number.isInteger(limit))) {
    limitOf(limit, `the limit of records of ${name}`);
  }
}

/**
 * Checks a timeout in milliseconds; negative values down to -1 mean no timeout.
 *
 * @throws {SkepError} when it is not a number of at least -1.
 */
export function checkTimeout(name: string, timeout: number): void {
  if (timeout >= -1 && timeout <= Number.MAX_SAFE_INTEGER) return;
  throw streamError("wait for", name, `${timeout} is neither a number of milliseconds nor -1`);
}
