/**
 * What became of each program of an object.
 *
 * @module
 */

import type { SkepError } from "../../errors/skep_error.ts";
import type { ProgramSpec } from "../../object/spec/spec.ts";

/** What became of one program. */
export interface ProgramOutcome {
  /** The program. */
  readonly program: ProgramSpec;
  /** Whether it is loaded. */
  readonly ok: boolean;
  /** Why it was left out, when it was. */
  readonly skipped?: string | undefined;
  /** Why it was refused, when it was. */
  readonly error?: SkepError | undefined;
}
