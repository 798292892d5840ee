/**
 * A refusal that concerns delegation, with its cause and the missing delegation.
 *
 * @module
 */

import type { ErrorData } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { type DelegationWord, wordsText } from "../../plan/delegation.ts";

/**
 * The cause of a refusal.
 *
 * Causes of token creation come first, then those of using a token, then those unrelated to tokens.
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
  /** The kernel has no tokens, or takes none for this command. */
  | "kernel-too-old"
  /** The token lacks a delegated command, map type, program type or attach type. */
  | "word-missing"
  /** No token was used, and the process lacks the privileges to do without. */
  | "no-token"
  /** The descriptor that was passed as a token is closed. */
  | "token-closed"
  /** The descriptor that was passed as a token is another object. */
  | "not-a-token"
  /** The arguments are invalid: the kernel checks them before the token. */
  | "invalid-arguments"
  /** Only root of the initial user namespace may do it, whatever is delegated. */
  | "not-delegable"
  /** perf_event_open takes no token. */
  | "perf-event-not-delegable"
  /** The verifier refused what CAP_PERFMON would permit. */
  | "verifier-needs-perfmon"
  /** The verifier refused what CAP_SYS_ADMIN would permit. */
  | "verifier-needs-sys-admin"
  /** The verifier refused the program; no privilege would change that. */
  | "verifier"
  /**
   * Token, delegation and capabilities suffice: an LSM, lockdown or a local rule refuses, and would refuse
   * root too.
   */
  | "local-policy"
  /** A seccomp filter denies bpf(2) before the kernel sees it. */
  | "seccomp"
  /** Attaching requires a capability in the user namespace of the target, which the process lacks. */
  | "target-not-owned"
  /** The requested object does not exist. */
  | "not-found"
  /** The cause was not found. */
  | "unknown";

/** Facts of a {@linkcode DelegationError}. */
export interface DelegationFacts {
  /** What was being done. */
  readonly doing: string;
  /** The object of the action. */
  readonly subject: string;
  /** The bpf(2) command or system call that failed. */
  readonly command: string;
  /** The result: `-errno`. */
  readonly result: number;
  /** The cause. */
  readonly reason: RefusalCause;
  /** The cause, in plain words. */
  readonly why: string;
  /** What the reader can do. */
  readonly fix?: string | undefined;
  /** How the cause is known, one short statement each. */
  readonly evidence?: readonly string[] | undefined;
  /** Missing delegation. */
  readonly missing?: readonly DelegationWord[] | undefined;
  /**
   * The stage at which it failed.
   *
   * @default {"token"}
   */
  readonly stage?: "token" | "map" | "btf" | "program" | "attach" | undefined;
  /** More facts. */
  readonly data?: ErrorData | undefined;
}

/**
 * Thrown for a refusal that delegation explains: the missing option value, namespace, capability or mount,
 * the evidence, and what to do.
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
  /** The missing `delegate_*` option values. */
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
