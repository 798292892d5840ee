/**
 * Relocates one program, for tests.
 *
 * @module
 */

import type { ObjectSpec } from "../../object/object_spec.ts";
import { relocate, type RelocateOptions } from "../../object/relocate/relocate.ts";
import type { ProgramSpec, RelocatedProgram } from "../../object/spec/spec.ts";

/**
 * Returns the relocated code.
 *
 * @throws {Error} when the program cannot be relocated.
 */
export function relocateOne(
  spec: ObjectSpec,
  program: ProgramSpec,
  options: RelocateOptions = {},
): RelocatedProgram {
  const [result] = relocate(spec, [program], options).programs;
  if (result === undefined) throw new Error(`${program.name} was not relocated`);
  if ("error" in result) throw result.error;
  return result;
}
