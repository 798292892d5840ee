/**
 * Defines the error that is thrown for BTF.
 *
 * @module
 */

import { type ErrorData, type ErrorFacts, SkepError, type Stage } from "../errors/skep_error.ts";

/** Facts of a {@linkcode BtfError}. */
export interface BtfErrorFacts {
  /**
   * What was being done.
   *
   * @default {"read BTF of"}
   */
  readonly doing?: string | undefined;
  /** The BTF or type concerned. */
  readonly subject: string;
  /** What is malformed or impossible. */
  readonly why: string;
  /** What the caller can do. */
  readonly fix?: string | undefined;
  /**
   * The errno that libbpf returns.
   *
   * @default {"EINVAL"}
   */
  readonly errno?: string | undefined;
  /**
   * The stage at which it failed.
   *
   * @default {"btf"}
   */
  readonly stage?: Stage | undefined;
  /** Ids, offsets, names. */
  readonly data?: ErrorData | undefined;
}

/**
 * Thrown for malformed BTF, and for requests that a type does not support, such as the size of a function.
 */
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
