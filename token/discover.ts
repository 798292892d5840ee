/**
 * Tries every mount that might give a token.
 *
 * @module
 */

import type { Kernel } from "../kernel/kernel.ts";
import { KernelError } from "../errors/kernel_error.ts";
import type { Delegation, DelegationMasks, DelegationWord } from "../plan/delegation.ts";
import { type BpffsMount, bpffsMounts } from "./facts/mounts.ts";
import type { HeldToken } from "./explain/case.ts";

/** The result for one mount. */
export interface TokenCandidate {
  /** The mount. */
  readonly mount: BpffsMount;
  /** Whether this process can create a token from it that has the requested delegation. */
  readonly usable: boolean;
  /** What the token allows; without a token, what the mount's options say. */
  readonly delegation: Delegation | undefined;
  /** The parts of the need that it lacks. */
  readonly missing: readonly DelegationWord[];
  /** Why it is not usable. */
  readonly why?: string | undefined;
  /** The refusal, if there was one. */
  readonly error?: KernelError | undefined;
}

/** Options of `discoverTokens`. */
export interface DiscoverOptions {
  /** The delegation that the token must have; without it, any token is usable. */
  readonly need?: DelegationMasks | undefined;
}

/** Creates the token of the bpffs mounted at a path, or returns the error. */
export type OpenToken = (path: string) => (HeldToken & Disposable) | KernelError;

/**
 * Tries every bpffs mount of this process, `/sys/fs/bpf` first. `open` creates the tokens; it is a
 * parameter because `Token` uses this function and so cannot be imported here.
 */
export function judgeMounts(
  kernel: Kernel,
  open: OpenToken,
  options?: DiscoverOptions,
): TokenCandidate[] {
  return bpffsMounts(kernel).map((mount) => judge(open, mount, options?.need));
}

function judge(
  open: OpenToken,
  mount: BpffsMount,
  need: DelegationMasks | undefined,
): TokenCandidate {
  const made = open(mount.path);
  if (made instanceof KernelError) {
    const { delegation } = mount;
    const missing = need === undefined ? [] : delegation?.missing(need) ?? [];
    return { mount, usable: false, delegation, missing, why: made.why, error: made };
  }
  using token = made;
  const delegation = token.info() ?? mount.delegation;
  const missing = need === undefined ? [] : delegation?.missing(need) ?? [];
  if (missing.length === 0) return { mount, usable: true, delegation, missing };
  const words = missing.map(({ option, word }) => `${option}=${word}`).join(", ");
  return { mount, usable: false, delegation, missing, why: `it does not delegate ${words}` };
}
