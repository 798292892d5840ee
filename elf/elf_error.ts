/**
 * The error that ELF parsing throws.
 *
 * @module
 */

import { type ErrorFacts, SkepError } from "../errors/skep_error.ts";

/** Facts of an {@linkcode ElfError}. */
export interface ElfErrorFacts {
  /** The name of the file. */
  readonly subject: string;
  /** What is malformed. */
  readonly why: string;
  /** What the caller can do. */
  readonly fix?: string | undefined;
  /**
   * The errno that libbpf returns for the same file.
   *
   * @default "EINVAL"
   */
  readonly errno?: string | undefined;
  /** Offset of the malformed field in the file, in bytes. */
  readonly offset?: number | undefined;
  /**
   * What was being done.
   *
   * @default "read"
   */
  readonly doing?: string | undefined;
}

/**
 * Thrown for bytes that are not an ELF file that skep can read.
 *
 * `errno` is the one that libbpf returns, `stage` is `"open"`, and `data.offset` is the offset of the
 * malformed field in the file.
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
