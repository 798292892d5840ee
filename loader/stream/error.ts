/**
 * Errors of streams, in one shape.
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

/** An error that no system call gave: wrong use, or wrong data. */
export function streamError(doing: string, subject: string, why: string, fix?: string): SkepError {
  return new SkepError({
    doing,
    subject,
    why,
    stage: "stream",
    fix,
  });
}

/** A refused system call of a stream. */
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

/** The error of a call on a reader or writer that was closed. */
export function closedError(doing: string, name: string): SkepError {
  return disposedError(doing, name, "stream");
}

/** A descriptor of the reader's own: the number of the caller's can be another file's before the reader ends. */
export function duplicate(kernel: Kernel, fd: number, name: string): Descriptor {
  const own = kernel.dup(fd);
  if (own < 0) throw refused("open", name, "fcntl", own);
  return new Descriptor(kernel, own);
}

/** Maps a part of a ring. */
export function mapRing(
  kernel: Kernel,
  name: string,
  fd: number,
  size: number,
  options: NonNullable<Parameters<Kernel["map"]>[2]>,
): Mapping {
  const mapping = kernel.map(fd, size, options);
  if (typeof mapping === "number") throw refused("map", name, "mmap", mapping);
  // What is read-only is read by the readers here, and copied or guarded for all others.
  return readable(mapping);
}

/** Refuses a size that no ring has: the data's bytes are a power of two of at least a page. */
export function checkRingSize(name: string, size: number, page: number): void {
  if (size >= page && size <= 2 ** 31 && Number.isInteger(Math.log2(size))) return;
  throw streamError("open", name, `${size} bytes is not a power of two of at least a page`);
}

/** Refuses a limit that is no number of records. */
export function checkLimit(name: string, limit: number): void {
  if (!(limit >= 0) || (limit !== Infinity && !Number.isInteger(limit))) {
    limitOf(limit, `the limit of records of ${name}`);
  }
}

/** Refuses a time that is none; below zero is without an end. */
export function checkTimeout(name: string, timeout: number): void {
  if (timeout >= -1 && timeout <= Number.MAX_SAFE_INTEGER) return;
  throw streamError("wait for", name, `${timeout} is no number of milliseconds, and not -1`);
}
