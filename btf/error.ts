/**
 * The error of this layer.
 *
 * @module
 */

import { type ErrorData, type ErrorFacts, SkepError, type Stage } from "../errors/skep_error.ts";

/** What {@linkcode BtfError} is made from. */
export interface BtfErrorFacts {
  /** What was being done; `"read BTF of"` unless told. */
  readonly doing?: string | undefined;
  /** Whose BTF it is. */
  readonly subject: string;
  /** What is wrong. */
  readonly why: string;
  /** What to do about it. */
  readonly fix?: string | undefined;
  /** The errno that libbpf would answer; `EINVAL` unless told. */
  readonly errno?: string | undefined;
  /** `"btf"` unless told. */
  readonly stage?: Stage | undefined;
  /** Ids, offsets, names. */
  readonly data?: ErrorData | undefined;
}

/** BTF that is malformed, or a question that it cannot answer (the size of a function, say). */
export class BtfError extends SkepError {
  /** The class's name. */
  override readonly name: string = "BtfError";

  /** Makes the error from its facts. */
  constructor(facts: BtfErrorFacts, options?: ErrorOptions) {
    const full: ErrorFacts = {
      ...facts,
      doing: facts.doing ?? "read BTF of",
      errno: facts.errno ?? "EINVAL",
      stage: facts.stage ?? "btf",
    };
    super(full, options);
  }
}
