/**
 * The base class of every error that skep throws: one line for people, everything else as data.
 *
 * It is in the lowest layer because every layer throws errors and imports point one way only.
 *
 * @module
 */
import { withoutUndefined } from "./without_undefined.ts";

import { terminalText } from "./escape.ts";

/** A value that `JSON.stringify` preserves. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Data of an error; members that are undefined are omitted. */
export interface ErrorData {
  /** A fact by name. */
  readonly [key: string]: JsonValue | undefined;
}

/**
 * The stage, on the way from bytes to attached programs, at which something failed.
 *
 * The first five are also printed by `skep verify --json` and do not change: scripts rely on them.
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

/** The facts of a {@linkcode SkepError}. */
export interface ErrorFacts {
  /** What was being done, as a verb without its object: `"load program"`. */
  readonly doing: string;
  /** The object of the action: a file, the name of a program or map, a path. */
  readonly subject: string;
  /** Why it failed, in plain words: `"the section ends after 12 of 64 bytes"`. */
  readonly why: string;
  /** What the reader can do, as an imperative: `"compile with clang -g"`. */
  readonly fix?: string | undefined;
  /** The errno by name (`"EPERM"`): the kernel's, or the one that libbpf returns. */
  readonly errno?: string | undefined;
  /** The stage at which it failed. */
  readonly stage?: Stage | undefined;
  /** Everything else that is known: offsets, ids, candidates, logs. */
  readonly data?: ErrorData | undefined;
}

/**
 * An error with one line for people and all its facts as data.
 *
 * The message is one line: `doing subject: ERRNO: why; fix`. `toJSON()` returns all facts.
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
  /** The object of the action. */
  readonly subject: string;
  /** Why it failed. */
  readonly why: string;
  /** What the reader can do. */
  readonly fix?: string | undefined;
  /** The errno by name. */
  readonly errno?: string | undefined;
  /** The stage at which it failed. */
  readonly stage?: Stage | undefined;
  /** Everything else that is known. */
  readonly data: { readonly [key: string]: JsonValue };

  /** Makes the error from its facts; `options.cause` is kept as `Error.cause`. */
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

  /** Returns all facts, for `JSON.stringify`. */
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
  // Names come from hostile files: a newline or an escape sequence must not reach a terminal.
  return terminalText(`${facts.doing} ${facts.subject}: ${errno}${facts.why}${fix}`);
}
