/**
 * Plans for files, for `skep plan` and `skep sandbox`.
 *
 * @module
 */

import type { Btf } from "../btf/mod.ts";
import { SkepError } from "../errors/skep_error.ts";
import { linuxKernel } from "../kernel/mod.ts";
import type { ObjectSpec } from "../object/mod.ts";
import { kernelBtf, openObject } from "../loader/mod.ts";
import { type Plan, plan, type PlanProfile, type Rewrite } from "../plan/mod.ts";
import { UsageError } from "./options.ts";

/** Opens the files and makes one plan for all of them. */
export async function planFiles(
  files: readonly string[],
  profile: PlanProfile,
  rewrite: Rewrite = "for-token",
): Promise<Plan> {
  const specs: ObjectSpec[] = [];
  for (const file of files) specs.push(await openObject(file));
  const types = typesFor(specs);
  return plan(specs, { profile, rewrite, kernelBtf: types });
}

/**
 * Returns the kernel BTF when the plan depends on it: the attach type bit of a struct_ops program
 * is its member's index in the kernel's struct. Without BTF, the plan has a note about it.
 */
function typesFor(specs: readonly ObjectSpec[]): Btf | undefined {
  if (!specs.some(({ maps }) => [...maps].some(({ origin }) => origin === "struct_ops"))) {
    return undefined;
  }
  try {
    return kernelBtf(linuxKernel());
  } catch (error) {
    if (error instanceof SkepError) return undefined;
    throw error;
  }
}

/** Parses `--profile`. */
export function profileOf(command: string, text: string = "skep"): PlanProfile {
  if (text === "skep" || text === "libbpf") return text;
  throw new UsageError(`skep ${command}`, `unknown profile "${text}"`, "write skep or libbpf");
}
