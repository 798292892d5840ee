/**
 * A refusal that has to do with delegation, with its cause and the word that is missing.
 *
 * @module
 */

import type { ErrorData } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { type DelegationWord, wordsText } from "../../plan/delegation.ts";

/**
 * Why the kernel refused, one word per cause.
 *
 * Those of the token itself come first, then those of its use, then those that have nothing to do
 * with a token.
 */
export type RefusalCause =
  /** Token creation: the path cannot be opened. */
  | "path-not-opened"
  /** Token creation: the descriptor is closed or O_PATH. */
  | "bad-descriptor"
  /** Token creation: the directory is not on a BPF file system. */
  | "not-bpffs"
  /** Token creation: it is a directory within a bpffs, not its root. */
  | "not-root-of-mount"
  /** Token creation: the mount delegates nothing. */
  | "nothing-delegated"
  /** Token creation: the process is in the initial user namespace. */
  | "initial-user-namespace"
  /** The bpffs or the token belongs to another user namespace. */
  | "wrong-user-namespace"
  /** A capability is missing inside the user namespace. */
  | "capability-missing"
  /** The kernel has no tokens, or none for this command. */
  | "kernel-too-old"
  /** A delegate_* word is missing. */
  | "word-missing"
  /** No token was given, and the process may not do it by itself. */
  | "no-token"
  /** The descriptor that was passed as a token is closed. */
  | "token-closed"
  /** The descriptor that was passed as a token is something else. */
  | "not-a-token"
  /** The arguments are wrong: the kernel says so before it looks at the token. */
  | "invalid-arguments"
  /** Something that only the initial namespace's root may do, whatever is delegated. */
  | "not-delegable"
  /** perf_event_open does not know tokens. */
  | "perf-event-not-delegable"
  /** The verifier refused what CAP_PERFMON would allow. */
  | "verifier-needs-perfmon"
  /** The verifier refused what CAP_SYS_ADMIN would allow. */
  | "verifier-needs-sys-admin"
  /** The verifier refused the program; no privilege would help. */
  | "verifier"
  /** Token, words and capabilities are fine: an LSM, lockdown or a local rule refuses; root would be refused too. */
  | "local-policy"
  /** A seccomp filter denies bpf(2): the kernel was not asked. */
  | "seccomp"
  /** The attach needs a capability that the process lacks where the target lives. */
  | "target-not-owned"
  /** What was asked for does not exist. */
  | "not-found"
  /** Nothing that was found explains it. */
  | "unknown";

/** The facts of a {@linkcode DelegationError}. */
export interface DelegationFacts {
  /** What was being done. */
  readonly doing: string;
  /** To what. */
  readonly subject: string;
  /** The bpf(2) command or system call that refused. */
  readonly command: string;
  /** What it answered: `-errno`. */
  readonly result: number;
  /** The cause. */
  readonly reason: RefusalCause;
  /** The cause in the words of a person. */
  readonly why: string;
  /** What to do. */
  readonly fix?: string | undefined;
  /** How the cause is known: one short statement each. */
  readonly evidence?: readonly string[] | undefined;
  /** Words that are missing. */
  readonly missing?: readonly DelegationWord[] | undefined;
  /** Step of the way; default `"token"`. */
  readonly stage?: "token" | "map" | "btf" | "program" | "attach" | undefined;
  /** More facts. */
  readonly data?: ErrorData | undefined;
}

/**
 * A refusal that delegation explains: which word, namespace, capability or mount is at fault, how that
 * is known, and what to do.
 *
 * @example
 * ```ts ignore
 * try {
 *   await BpfObject.load("xdp_count.bpf.o");
 * } catch (error) {
 *   if (error instanceof DelegationError) console.error(error.reason, error.missing, error.evidence);
 * }
 * ```
 */
export class DelegationError extends KernelError {
  /** The class's name, also after minification. */
  override readonly name: string = "DelegationError";
  /** The cause, for programs. */
  readonly reason: RefusalCause;
  /** How the cause is known. */
  readonly evidence: readonly string[];
  /** The `delegate_*` words that are missing. */
  readonly missing: readonly DelegationWord[];

  /** Makes the error from its facts. */
  constructor(facts: DelegationFacts, options?: ErrorOptions) {
    const { reason, evidence = [], missing = [] } = facts;
    super({
      doing: facts.doing,
      subject: facts.subject,
      command: facts.command,
      result: facts.result,
      why: facts.why,
      fix: facts.fix,
      stage: facts.stage ?? "token",
      data: {
        reason,
        evidence: [...evidence],
        missing: missing.length === 0 ? undefined : wordsText(missing),
        ...facts.data,
      },
    }, options);
    this.reason = reason;
    this.evidence = evidence;
    this.missing = missing;
  }
}
