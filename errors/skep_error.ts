/**
 * The root of every error that skep throws: one line for people, everything else as data.
 *
 * It lives in the lowest layer because every layer throws errors and imports point one way only.
 *
 * @module
 */
import { withoutUndefined } from "./without_undefined.ts";

import { terminalText } from "./escape.ts";

/** A value that survives `JSON.stringify` unchanged. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** What an error carries beside its text; members that are undefined are left out. */
export interface ErrorData {
  /** A fact by its name. */
  readonly [key: string]: JsonValue | undefined;
}

/**
 * The step of the way from bytes to attached programs at which something went wrong.
 *
 * The first five are the words of `skep verify --json`, a contract that scripts rely on.
 */
export type Stage =
  | "open"
  | "btf"
  | "map"
  | "relocate"
  | "program"
  | "token"
  | "attach"
  | "stream"
  | "usage";

/** What a {@linkcode SkepError} says, as data. */
export interface ErrorFacts {
  /** What was being done, verb first and without subject: `"load program"`. */
  readonly doing: string;
  /** To what it was being done: a file, a program's or a map's name, a path. */
  readonly subject: string;
  /** Why it did not work, in the words of a person: `"the section ends after 12 of 64 bytes"`. */
  readonly why: string;
  /** What the reader can do about it, as an imperative: `"compile with clang -g"`. */
  readonly fix?: string | undefined;
  /** The errno by name (`"EPERM"`): the kernel's, or the nearest that libbpf would answer. */
  readonly errno?: string | undefined;
  /** The step at which it happened. */
  readonly stage?: Stage | undefined;
  /** Everything else that is known: offsets, ids, candidates, logs. */
  readonly data?: ErrorData | undefined;
}

/**
 * An error with one line for people and all its facts as data.
 *
 * The message is always one line: `doing subject: ERRNO: why; fix`. Nothing is lost: `toJSON()` has
 * all of it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SkepError } from "@skep/skep";
 *
 * const error = new SkepError({
 *   doing: "read",
 *   subject: "x.bpf.o",
 *   why: "it is empty",
 *   fix: "build it again",
 * });
 * assertEquals(error.message, "read x.bpf.o: it is empty; build it again");
 * ```
 */
export class SkepError extends Error implements ErrorFacts {
  /** The class's name, also after minification. */
  override readonly name: string = "SkepError";
  /** What was being done. */
  readonly doing: string;
  /** To what it was being done. */
  readonly subject: string;
  /** Why it did not work. */
  readonly why: string;
  /** What the reader can do about it. */
  readonly fix?: string | undefined;
  /** The errno by name. */
  readonly errno?: string | undefined;
  /** The step at which it happened. */
  readonly stage?: Stage | undefined;
  /** Everything else that is known. */
  readonly data: { readonly [key: string]: JsonValue };

  /** Makes the error from its facts. `cause` is kept as `Error.cause`. */
  constructor(facts: ErrorFacts, options?: ErrorOptions) {
    super(oneLine(facts), options);
    this.doing = facts.doing;
    this.subject = facts.subject;
    this.why = facts.why;
    if (facts.fix !== undefined) this.fix = facts.fix;
    if (facts.errno !== undefined) this.errno = facts.errno;
    if (facts.stage !== undefined) this.stage = facts.stage;
    this.data = withoutUndefined(facts.data ?? {});
  }

  /** All that the error knows, for `JSON.stringify`. */
  toJSON(): { readonly [key: string]: JsonValue } {
    const { name, message, doing, subject, why, fix, errno, stage, data } = this;
    const cause = this.cause instanceof SkepError
      ? this.cause.toJSON()
      : this.cause instanceof Error
      ? this.cause.message
      : undefined;
    return withoutUndefined({
      name,
      message,
      doing,
      subject,
      why,
      fix,
      errno,
      stage,
      data,
      cause,
    });
  }
}

function oneLine(facts: ErrorFacts): string {
  const errno = facts.errno === undefined ? "" : `${facts.errno}: `;
  const fix = facts.fix === undefined ? "" : `; ${facts.fix}`;
  // Names come from hostile files: a newline or an escape code in one must not reach a terminal.
  return terminalText(`${facts.doing} ${facts.subject}: ${errno}${facts.why}${fix}`);
}
