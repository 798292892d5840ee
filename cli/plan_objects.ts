/**
 * Plans for files, as `skep plan` and `skep sandbox` make them.
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

/** Opens the files and plans for all of them together. */
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
 * The kernel's types, for objects whose plan hangs on them: the attach word of a struct_ops program is
 * its member's number in the kernel's own struct. Without them the plan says so in a note.
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

/** `--profile`, checked. */
export function profileOf(command: string, text: string = "skep"): PlanProfile {
  if (text === "skep" || text === "libbpf") return text;
  throw new UsageError(`skep ${command}`, `there is no profile "${text}"`, "write skep or libbpf");
}
