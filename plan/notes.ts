/**
 * Remarks on a delegation that its granter should read first.
 *
 * @module
 */

import type { ProgramSpec } from "../object/spec/spec.ts";
import type { MaybeCapability } from "./builder.ts";
import type { Delegation, DelegationWord } from "./delegation.ts";
import { programTypeFacts } from "./program_types.ts";
import type { HolderAccess } from "./holder.ts";
import { attachmentFix, sectionsText } from "./attachment_text.ts";
import type { AttachDecision } from "./attach_decision.ts";
import { planAttachment, tokenSections } from "./attachments.ts";
import { helperReadsMemory, helperText, scanInstructions } from "./scan.ts";

/** One remark. */
export interface PlanNote {
  /** `warning`: the grant is wider than it appears, or does not do what is intended. */
  readonly level: "note" | "warning";
  /** The program, map or option value that it concerns. */
  readonly subject?: string;
  /** The remark, as a sentence without initial capital and full stop. */
  readonly text: string;
}

/** Returns remarks on a program that is not attached as written. */
export function attachNotes(decision: AttachDecision): PlanNote[] {
  const { program, section, notes } = decision;
  const remarks = notes.map((text): PlanNote => ({ level: "note", subject: program, text }));
  switch (decision.outcome) {
    case "as-is":
      return remarks;
    case "rewritten":
      return [{
        level: "note",
        subject: program,
        text: `SEC("${section}") is loaded and attached as ${decision.form}`,
      }, ...remarks];
    case "refused":
      return [{
        level: "warning",
        subject: program,
        text: `SEC("${section}") is refused before loading, because it cannot be attached with a ` +
          `token: ${decision.why}; ${attachmentFix(decision)}`,
      }];
  }
}

/**
 * Returns remarks on one program; pass `forToken` when {@linkcode attachNotes} covers its
 * attachment.
 */
export function programNotes(program: ProgramSpec, forToken: boolean = false): PlanNote[] {
  const notes: PlanNote[] = [];
  const { attachTypeChecked } = programTypeFacts(program.type);
  if (!attachTypeChecked && program.expectedAttachType !== undefined) {
    notes.push({
      level: "warning",
      subject: `delegate_attachs=${program.expectedAttachType}`,
      text: `the kernel does not compare the attach type of ${program.type} programs with where ` +
        "they attach: any delegated attach type lets them load, so this one restricts nothing",
    });
  }
  const instead = forToken ? [] : tokenSections(program.section);
  if (instead.length > 0 && planAttachment(program).outcome !== "as-is") {
    notes.push({
      level: "warning",
      subject: program.name,
      text:
        `it loads with a token but cannot be attached with one: SEC("${program.section}") attaches ` +
        `through perf_event_open, which is not delegable; use ${sectionsText(instead)}`,
    });
  }
  const reading = scanInstructions(program.instructions).helpers.filter(helperReadsMemory);
  if (reading.length > 0) {
    notes.push({
      level: "warning",
      subject: program.name,
      text: `it reads memory of other processes or of the kernel (${
        reading.map(helperText).join(", ")
      })`,
    });
  }
  return notes;
}

/** Returns the remark on a capability that may be needed. */
export function maybeNote({ capability, because }: MaybeCapability): PlanNote {
  const name = `CAP_${capability.toUpperCase()}`;
  const [first = "", ...others] = because;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return {
    level: "note",
    subject: name,
    text: `may be needed in the user namespace: ${first}${more}; only a load without it shows`,
  };
}

/** Returns remarks on the delegation as a whole. */
export function setNotes(
  delegation: Delegation,
  holder: HolderAccess,
  optional: readonly DelegationWord[],
): PlanNote[] {
  const notes: PlanNote[] = [];
  if (delegation.empty) {
    notes.push({ level: "note", text: "nothing is loaded, so nothing has to be delegated" });
    return notes;
  }
  const { reads, attaches } = holder;
  if (reads.memory === "host") notes.push({ level: "warning", subject: "reads", text: reads.text });
  for (const { place, types, inside, outside } of attaches) {
    if (place === "none" || place === "sockets") continue;
    notes.push({
      level: place === "network-namespaces" ? "note" : "warning",
      subject: "attaches",
      text:
        `${
          types.length === 0 ? "programs of unknown types" : types.join(", ")
        }: a holder attaches ` +
        inside +
        (outside === inside ? "" : `; once a descriptor has left its namespaces, ${outside}`),
    });
  }
  for (const { option, word } of optional) {
    notes.push({
      level: "note",
      subject: `${option}=${word}`,
      text:
        "the object loads without it, but then programs and maps have no types, no source lines in " +
        "verifier logs, and values cannot be printed",
    });
  }
  return notes;
}
