/**
 * The error of a call on what was disposed of.
 *
 * @module
 */

import { SkepError, type Stage } from "./skep_error.ts";

/** The error of a call on what was disposed of: the descriptor's number may be another file's by now. */
export function disposedError(doing: string, subject: string, stage: Stage = "usage"): SkepError {
  return new SkepError({ doing, subject, errno: "EBADF", stage, why: "it was disposed" });
}
