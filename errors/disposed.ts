/**
 * The error of a call on a disposed object.
 *
 * @module
 */

import { SkepError, type Stage } from "./skep_error.ts";

/**
 * Returns the error of a call on a disposed object, whose descriptor's number may belong to another file.
 */
export function disposedError(doing: string, subject: string, stage: Stage = "usage"): SkepError {
  return new SkepError({ doing, subject, errno: "EBADF", stage, why: "it was disposed of" });
}
