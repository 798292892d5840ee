/**
 * Applies the attach planner to a load: with a token, programs that attach through perf_event_open are
 * loaded in the form that a token can attach, or refused before anything is loaded.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import { Errno } from "../../uapi/errno.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { ProgramSpec } from "../../object/spec/spec.ts";
import { DelegationError } from "../../token/explain/delegation_error.ts";
import { attachmentFix, attachmentJson } from "../../plan/attachment_text.ts";
import type { AttachDecision, AttachRefused } from "../../plan/attach_decision.ts";
import { applyAttachment, planAttachment } from "../../plan/attachments.ts";
import { kernelTypes } from "../features/kernel_btf.ts";

/** What becomes of one program of a load. */
export interface PlannedProgram {
  /** The program as the object has it. */
  readonly written: ProgramSpec;
  /** The program as it is loaded. */
  readonly program: ProgramSpec;
  /** Why it is that. */
  readonly decision: AttachDecision;
}

/** Decides about one program that is to be loaded with a token. Reads the kernel's types only if a decision hangs on them. */
export function planProgram(kernel: Kernel, written: ProgramSpec): PlannedProgram {
  const decision = planAttachment(written, {
    kernelBtf: () => {
      try {
        return kernelTypes(kernel).vmlinux;
      } catch (error) {
        // Without its types, attach() will find out what the kernel can do.
        if (error instanceof SkepError) return undefined;
        throw error;
      }
    },
    machine: kernel.machine.machine,
  });
  return { written, program: applyAttachment(written, decision), decision };
}

/** The error for a program that cannot be attached with a token, made before anything is loaded. */
export function refusedAttachment(decision: AttachRefused): DelegationError {
  return new DelegationError({
    doing: "load program",
    subject: decision.program,
    command: "perf_event_open",
    result: -Errno.EACCES,
    reason: "perf-event-not-delegable",
    why: `SEC("${decision.section}") cannot be attached with a token: ${decision.why}`,
    fix: attachmentFix(decision),
    evidence: [
      "perf_event_open looks at the initial user namespace, and at no token",
      "decided from the object, before anything was loaded",
    ],
    stage: "program",
    data: { attach: attachmentJson(decision) },
  });
}
