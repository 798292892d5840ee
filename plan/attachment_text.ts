/**
 * Formats decisions of the attach planner: one line for people, plain JSON for programs.
 *
 * @module
 */

import type { JsonValue } from "../errors/skep_error.ts";
import { sectionPlan } from "../object/section/table.ts";
import type { AttachDecision, AttachRefused, RewriteOptions } from "./attach_decision.ts";
import { planAttachment } from "./attachments.ts";

/** Summarizes how programs of a section attach with a token: `kprobe.multi`, or why they cannot. */
export function sectionAttachment(section: string, options: RewriteOptions = {}): string {
  const { type, attach, expectedAttachType } = sectionPlan(section);
  const decision = planAttachment({
    name: section,
    section,
    type,
    attach,
    expectedAttachType,
    instructions: new Uint8Array(),
  }, options);
  switch (decision.outcome) {
    case "as-is":
      return section;
    case "rewritten":
      return attach.kind === "tracepoint"
        ? `${decision.form}, if the program does not read its context`
        : decision.form;
    case "refused":
      return `no: ${decision.why}`;
  }
}

/** Formats section names as in C: `SEC("a") or SEC("b")`. */
export function sectionsText(sections: readonly string[]): string {
  return sections.map((section) => `SEC("${section}")`).join(" or ");
}

/** Returns what to do about a refused program. */
export function attachmentFix({ instead, prototype }: AttachRefused): string {
  const use = instead.length === 0 ? "attach it another way" : `use ${sectionsText(instead)}`;
  return `${use}${prototype === undefined ? "" : `: ${prototype}`}; or load with rewrite: ` +
    '"never" when somebody with CAP_PERFMON attaches it';
}

/** Formats a decision as one line. */
export function attachmentText(decision: AttachDecision): string {
  const { program, section } = decision;
  switch (decision.outcome) {
    case "as-is":
      return `${program}: SEC("${section}") is attached as written`;
    case "rewritten":
      return `${program}: SEC("${section}") is attached as ${decision.form}`;
    case "refused":
      return `${program}: SEC("${section}") cannot be attached with a token: ${decision.why}; ${
        attachmentFix(decision)
      }`;
  }
}

/** Converts a decision to plain JSON. */
export function attachmentJson(decision: AttachDecision): { readonly [key: string]: JsonValue } {
  return JSON.parse(JSON.stringify(decision));
}
