/**
 * Outcomes of an object's programs.
 *
 * @module
 */

import type { SkepError } from "../../errors/skep_error.ts";
import type { ProgramSpec } from "../../object/spec/spec.ts";

/** Outcome of one program of a load: loaded, left out, or refused. */
export interface ProgramOutcome {
  /** The program as the object defines it. */
  readonly program: ProgramSpec;
  /** Whether it was loaded. */
  readonly ok: boolean;
  /** Why it was not loaded although nothing refused it, such as its autoload being off. */
  readonly skipped?: string | undefined;
  /** The error of a refused program. */
  readonly error?: SkepError | undefined;
}
