/**
 * The attach planner: how each program is attached when a token is all that there is.
 *
 * Probes and tracepoints of the old kind attach through perf_event_open(2), which asks for CAP_PERFMON
 * in the initial user namespace and knows no tokens. Most of them can be attached in another form, by
 * a link of the kernel's own; some cannot, and then it is better to hear so before loading.
 *
 * @module
 */

import { sectionPlan } from "../object/section/table.ts";
import type { ProgramSpec } from "../object/spec/spec.ts";
import type { AttachablePart, AttachDecision, RewriteOptions } from "./attach_decision.ts";
import { decideForToken, sectionsForToken } from "./attach_forms.ts";

/**
 * Names of sections that do with a token what a section does by a perf event: those that the planner
 * rewrites to, or that the program has to be written for. Empty for sections that need no perf event.
 */
export function tokenSections(section: string): readonly string[] {
  return sectionsForToken(sectionPlan(section).attach);
}

/**
 * Decides about one program.
 *
 * kprobe and ksyscall become kprobe.multi; uprobe and USDT become uprobe.multi; a tracepoint program
 * that does not look at its context becomes raw_tp. Cookies are kept in every form.
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
  // What is wrong with the target's text, attach() says with or without a token.
  if (options.token === false || attach.problem !== undefined) {
    return { program: name, section, notes: [], outcome: "as-is" };
  }
  return decideForToken(program, attach, options);
}

/** A program as it is loaded after a decision: the same object, unless it is rewritten. */
export function applyAttachment(program: ProgramSpec, decision: AttachDecision): ProgramSpec {
  if (decision.outcome !== "rewritten") return program;
  const { type, expectedAttachType } = decision;
  return { ...program, type, expectedAttachType };
}
