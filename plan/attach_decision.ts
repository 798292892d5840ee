/**
 * Types of the attach planner: its options, and its decision for one program.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { ProgramSpec } from "../object/spec/spec.ts";
import type { AttachTypeName, ProgramTypeName } from "../uapi/enums.ts";

/**
 * Whether to rewrite programs to a form that can be attached with a token (`"for-token"`), or to
 * leave them as their sections specify (`"never"`), for programs that a more privileged process
 * attaches.
 */
export type Rewrite = "for-token" | "never";

/** Why a program cannot be attached with a token. */
export type AttachRefusalCause =
  /** The kprobe has an offset: kprobe.multi attaches to function entries only. */
  | "offset"
  /** The program reads its context, whose layout only a perf event provides. */
  | "reads-context"
  /** The event has no BPF-attachable tracepoint: it exists in perf and tracefs only. */
  | "no-kernel-tracepoint"
  /** This kernel is built without the link type that the rewrite needs. */
  | "not-built";

/** Fields of every decision. */
export interface AttachDecisionBase {
  /** Name of the program. */
  readonly program: string;
  /** Section name as written in the object. */
  readonly section: string;
  /** Remarks for the user, one sentence each. */
  readonly notes: readonly string[];
}

/** The program is attached as its section specifies. */
export interface AttachAsIs extends AttachDecisionBase {
  /** Discriminates the union. */
  readonly outcome: "as-is";
}

/** The program is loaded and attached in another form. */
export interface AttachRewritten extends AttachDecisionBase {
  /** Discriminates the union. */
  readonly outcome: "rewritten";
  /** The form as a section name, for example `kprobe.multi/do_unlinkat`. */
  readonly form: string;
  /** Program type to load it as. */
  readonly type: ProgramTypeName;
  /** Expected attach type to load it with; undefined means 0. */
  readonly expectedAttachType: AttachTypeName | undefined;
}

/** The program cannot be attached with a token. */
export interface AttachRefused extends AttachDecisionBase {
  /** Discriminates the union. */
  readonly outcome: "refused";
  /** The cause, for code. */
  readonly reason: AttachRefusalCause;
  /** The cause as a sentence, for people. */
  readonly why: string;
  /** Section names whose programs do the same with a token. */
  readonly instead: readonly string[];
  /**
   * First line of a program for the first of these sections; present when the kernel BTF has its
   * types.
   */
  readonly prototype?: string | undefined;
}

/** The attach planner's decision for one program, discriminated by `outcome`. */
export type AttachDecision = AttachAsIs | AttachRewritten | AttachRefused;

/** Options of the attach planner. */
export interface RewriteOptions {
  /**
   * Whether the programs are loaded with a token. Without one, no program is rewritten.
   *
   * @default {true}
   */
  readonly token?: boolean | undefined;
  /**
   * The kernel's BTF, or a function that returns it; called only when a decision depends on it. It
   * shows which link types the kernel is built with. Without it, every form that Linux 6.9 can have
   * is assumed to exist.
   */
  readonly kernelBtf?: Btf | (() => Btf | undefined) | undefined;
  /**
   * Machine name as in uname(2), for the names of system call functions.
   *
   * @default {"x86_64"}
   */
  readonly machine?: string | undefined;
}

/** The fields of a program that a decision reads. */
export type AttachablePart = Pick<
  ProgramSpec,
  "name" | "section" | "type" | "expectedAttachType" | "attach" | "instructions"
>;
