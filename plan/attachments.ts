/**
 * The attach planner: decides how each program is attached when the process has a token and no
 * other privilege.
 *
 * Kprobes, uprobes and tracepoints attach through perf_event_open(2), which requires CAP_PERFMON in
 * the initial user namespace and takes no token. Most can attach through a multi link or a raw
 * tracepoint link instead. The rest are refused before anything is loaded.
 *
 * @module
 */

import { sectionPlan } from "../object/section/table.ts";
import type { ProgramSpec } from "../object/spec/spec.ts";
import type { AttachablePart, AttachDecision, RewriteOptions } from "./attach_decision.ts";
import { decideForToken, sectionsForToken } from "./attach_forms.ts";

/**
 * Returns the section names that do with a token what a section does through a perf event: forms
 * that the planner rewrites to, or that the program must be written for. Empty for sections that
 * need no perf event.
 */
export function tokenSections(section: string): readonly string[] {
  return sectionsForToken(sectionPlan(section).attach);
}

/**
 * Decides how one program is attached.
 *
 * kprobe and ksyscall become kprobe.multi; uprobe and USDT become uprobe.multi; a tracepoint
 * program that does not read its context becomes raw_tp. Every form keeps attach cookies.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { planAttachment } from "@skep/skep";
 *
 * const decision = planAttachment({
 *   name: "unlink",
 *   section: "kprobe/do_unlinkat",
 *   type: "kprobe",
 *   attach: {
 *     kind: "kprobe",
 *     attachable: "target-named",
 *     function: "do_unlinkat",
 *     offset: 0,
 *     returns: false,
 *   },
 *   instructions: new Uint8Array(),
 * });
 * assertEquals(decision.outcome === "rewritten" && decision.form, "kprobe.multi/do_unlinkat");
 * ```
 */
export function planAttachment(
  program: AttachablePart,
  options: RewriteOptions = {},
): AttachDecision {
  const { name, section, attach } = program;
  // attach() reports a malformed target, with and without a token.
  if (options.token === false || attach.problem !== undefined) {
    return { program: name, section, notes: [], outcome: "as-is" };
  }
  return decideForToken(program, attach, options);
}

/** Returns the program to load after a decision: the same object, unless it is rewritten. */
export function applyAttachment(program: ProgramSpec, decision: AttachDecision): ProgramSpec {
  if (decision.outcome !== "rewritten") return program;
  const { type, expectedAttachType } = decision;
  return { ...program, type, expectedAttachType };
}
