/**
 * Applies the attach planner to a load: with a token, programs that attach through perf_event_open are
 * rewritten to a form that a token can attach, or refused before anything is loaded.
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

/** The form in which one program is loaded, and the decision behind it. */
export interface PlannedProgram {
  /** The program as the object defines it. */
  readonly written: ProgramSpec;
  /** The program as it is loaded. */
  readonly program: ProgramSpec;
  /** The planner's decision. */
  readonly decision: AttachDecision;
}

/**
 * Plans the attachment of a program that is loaded with a token. Reads the kernel's BTF only when the decision
 * depends on it.
 */
export function planProgram(kernel: Kernel, written: ProgramSpec): PlannedProgram {
  const decision = planAttachment(written, {
    kernelBtf: () => {
      try {
        return kernelTypes(kernel).vmlinux;
      } catch (error) {
        // The kernel publishes no BTF; attach() gets the errno of a missing attach type.
        if (error instanceof SkepError) return undefined;
        throw error;
      }
    },
    machine: kernel.machine.machine,
  });
  return { written, program: applyAttachment(written, decision), decision };
}

/** Creates the error for a program that cannot be attached with a token, before anything is loaded. */
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
      "perf_event_open checks capabilities in the initial user namespace and takes no token",
      "decided from the object, before anything was loaded",
    ],
    stage: "program",
    data: { attach: attachmentJson(decision) },
  });
}
