/**
 * What the attach planner decides about a program, and what it decides by.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { ProgramSpec } from "../object/spec/spec.ts";
import type { AttachTypeName, ProgramTypeName } from "../uapi/enums.ts";

/**
 * Whether programs are changed to what can be attached with a token (`token-safe`), or left as their
 * sections say (`"never"`): for programs that somebody with more privileges attaches.
 */
export type Rewrite = "for-token" | "never";

/** Why a program cannot be attached with a token, one word per cause. */
export type AttachRefusalCause =
  /** The probe is not at the beginning of a function. */
  | "offset"
  /** The program looks at the tracepoint's fields, which only a perf event lays out. */
  | "reads-context"
  /** The event is no tracepoint of the kernel's code: it exists for perf and tracefs alone. */
  | "no-kernel-tracepoint"
  /** The kernel is built without the form that would do. */
  | "not-built";

/** What every decision says. */
export interface AttachDecisionBase {
  /** The program. */
  readonly program: string;
  /** Its section as written. */
  readonly section: string;
  /** What to know about it. */
  readonly notes: readonly string[];
}

/** It is attached as its section says. */
export interface AttachAsIs extends AttachDecisionBase {
  /** Tells the decision. */
  readonly outcome: "as-is";
}

/** It is loaded and attached in another form. */
export interface AttachRewritten extends AttachDecisionBase {
  /** Tells the decision. */
  readonly outcome: "rewritten";
  /** The form, as a section's name would say it: `kprobe.multi/do_unlinkat`. */
  readonly form: string;
  /** The program type that it is loaded as. */
  readonly type: ProgramTypeName;
  /** The expected attach type that it is loaded with; undefined is 0. */
  readonly expectedAttachType: AttachTypeName | undefined;
}

/** It cannot be attached with a token. */
export interface AttachRefused extends AttachDecisionBase {
  /** Tells the decision. */
  readonly outcome: "refused";
  /** The cause, for programs. */
  readonly reason: AttachRefusalCause;
  /** The cause in the words of a person. */
  readonly why: string;
  /** Names of sections that do the same with a token. */
  readonly instead: readonly string[];
  /** The first line of a program for the first of them, where the kernel's types are known. */
  readonly prototype?: string | undefined;
}

/** What becomes of one program, told apart by `outcome`. */
export type AttachDecision = AttachAsIs | AttachRewritten | AttachRefused;

/** What is known of where programs will be attached. */
export interface RewriteOptions {
  /** Whether they are loaded with a token; without one everything stays as it is. Default: true. */
  readonly token?: boolean | undefined;
  /**
   * The types of the kernel, or how to get them: asked for only when a decision hangs on them. They
   * tell which forms the kernel is built with. Without them, all that Linux 6.9 can have is there.
   */
  readonly kernelBtf?: Btf | (() => Btf | undefined) | undefined;
  /** The machine as uname(2) calls it, for the names of system calls' functions. Default: `x86_64`. */
  readonly machine?: string | undefined;
}

/** The part of a program that a decision looks at. */
export type AttachablePart = Pick<
  ProgramSpec,
  "name" | "section" | "type" | "expectedAttachType" | "attach" | "instructions"
>;
