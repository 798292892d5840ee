/**
 * The error of a refused system call.
 *
 * @module
 */

import { type ErrorFacts, SkepError } from "./skep_error.ts";
import { Errno, errnoName } from "../uapi/errno.ts";

/** Facts of a {@linkcode KernelError}: those of every error, the result and the command. */
export interface KernelErrorFacts extends Omit<ErrorFacts, "errno" | "why"> {
  /** The result of the call: `-errno`. */
  readonly result: number;
  /** The system call or bpf(2) command that failed: `"BPF_MAP_CREATE"`, `"perf_event_open"`. */
  readonly command: string;
  /** Why it failed, when more is known than the meaning of the errno. */
  readonly why?: string | undefined;
}

/**
 * Thrown for a refused system call, with the command, the errno and the stage.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { KernelError } from "@skep/skep/kernel";
 *
 * const error = new KernelError({
 *   doing: "create map",
 *   subject: "events",
 *   command: "BPF_MAP_CREATE",
 *   result: -1,
 *   stage: "map",
 * });
 * assertEquals(error.message, "create map events: EPERM: the kernel does not permit it");
 * ```
 */
export class KernelError extends SkepError {
  /** The class's name, also after minification. */
  override readonly name: string = "KernelError";
  /** The system call or bpf(2) command that failed. */
  readonly command: string;
  /** The errno as a positive number. */
  readonly number: number;

  /** Makes the error; without `why`, it says what the errno means. */
  constructor(facts: KernelErrorFacts, options?: ErrorOptions) {
    const number = -facts.result;
    const { doing, subject, fix, stage, command } = facts;
    super({
      doing,
      subject,
      why: facts.why ?? errnoMeaning(number),
      errno: errnoName(number),
      fix,
      stage,
      data: { command, number, ...facts.data },
    }, options);
    this.command = command;
    this.number = number;
  }
}

/**
 * Returns a result that is zero or more, and throws a {@linkcode KernelError} for `-errno`.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { check, KernelError } from "@skep/skep/kernel";
 *
 * const facts = { doing: "pin", subject: "/sys/fs/bpf/x", command: "BPF_OBJ_PIN" };
 * assertEquals(check(0, facts), 0);
 * assertThrows(() => check(-17, facts), KernelError, "EEXIST");
 * ```
 */
export function check(
  result: number,
  facts: Omit<KernelErrorFacts, "result">,
): number {
  if (result >= 0) return result;
  throw new KernelError({ ...facts, result });
}

const meanings: { readonly [number: number]: string } = {
  [Errno.EPERM]: "the kernel does not permit it",
  [Errno.ENOENT]: "there is no such thing",
  [Errno.ESRCH]: "there is no such process or name",
  [Errno.EINTR]: "a signal interrupted it",
  [Errno.EIO]: "input or output went wrong",
  [Errno.ENXIO]: "there is no such device",
  [Errno.E2BIG]: "it is too big, or this kernel does not know all of its fields",
  [Errno.EBADF]: "the file descriptor is not open, or is of another kind",
  [Errno.EAGAIN]: "it cannot be done now",
  [Errno.ENOMEM]: "there is not enough memory",
  [Errno.EACCES]: "access is denied",
  [Errno.EFAULT]: "an address is not valid",
  [Errno.EBUSY]: "it is in use",
  [Errno.EEXIST]: "it exists already",
  [Errno.ENODEV]: "there is no such device",
  [Errno.ENOTDIR]: "a part of the path is not a directory",
  [Errno.EISDIR]: "it is a directory",
  [Errno.EINVAL]: "the kernel does not accept the arguments",
  [Errno.EMFILE]: "this process has too many open files",
  [Errno.ENFILE]: "the machine has too many open files",
  [Errno.ENOSPC]: "there is no room left",
  [Errno.EROFS]: "the file system is read-only",
  [Errno.ERANGE]: "a number is out of range",
  [Errno.ENAMETOOLONG]: "the name is too long",
  [Errno.ENOSYS]: "this kernel has no such system call",
  [Errno.ELOOP]: "too many links lead to it, or to one another",
  [Errno.EOPNOTSUPP]: "this kernel does not support it",
  [Errno.ENOTSUPP]: "this kernel does not support it",
  [Errno.ENOTSOCK]: "the file descriptor is not a socket's",
  [Errno.ESTALE]: "it has changed in the meantime",
  [Errno.ETIMEDOUT]: "the time is over",
  [Errno.EILSEQ]: "the bytes are not valid here",
  [Errno.ENOBUFS]: "there is no room in the buffer",
};

/** Returns the meaning of an errno in plain words, for use within a sentence. */
export function errnoMeaning(number: number): string {
  const positive = Math.abs(number);
  return meanings[positive] ?? `the kernel answered with errno ${positive}`;
}
