/**
 * The error of this layer.
 *
 * @module
 */

import { type ErrorFacts, SkepError } from "../errors/skep_error.ts";

/** What {@linkcode ElfError} is made from. */
export interface ElfErrorFacts {
  /** The file's name as the caller gave it. */
  readonly subject: string;
  /** What is wrong. */
  readonly why: string;
  /** What to do about it. */
  readonly fix?: string | undefined;
  /** The errno that libbpf would answer; `EINVAL` unless told. */
  readonly errno?: string | undefined;
  /** Bytes from the start of the file where the wrong field stands. */
  readonly offset?: number | undefined;
  /** What was being done; `"read"` unless told. */
  readonly doing?: string | undefined;
}

/**
 * Bytes that are no ELF file that skep can read.
 *
 * `errno` is what libbpf would answer, `stage` is `"open"`, and `data.offset` is the place of the
 * wrong field in the file.
 */
export class ElfError extends SkepError {
  /** The class's name. */
  override readonly name = "ElfError";

  /** Makes the error from its facts. */
  constructor(facts: ElfErrorFacts, options?: ErrorOptions) {
    const full: ErrorFacts = {
      doing: facts.doing ?? "read",
      subject: facts.subject,
      why: facts.why,
      errno: facts.errno ?? "EINVAL",
      stage: "open",
      fix: facts.fix,
      data: facts.offset === undefined ? undefined : { offset: facts.offset },
    };
    super(full, options);
  }
}
