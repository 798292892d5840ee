/**
 * Every mount that might give a token, with a verdict.
 *
 * @module
 */

import type { Kernel } from "../kernel/kernel.ts";
import { KernelError } from "../errors/kernel_error.ts";
import type { Delegation, DelegationMasks, DelegationWord } from "../plan/delegation.ts";
import { type BpffsMount, bpffsMounts } from "./facts/mounts.ts";
import type { HeldToken } from "./explain/case.ts";

/** What became of one mount. */
export interface TokenCandidate {
  /** The mount. */
  readonly mount: BpffsMount;
  /** Whether this process can make a token of it, and that has the words asked for. */
  readonly usable: boolean;
  /** What the token allows, or, where there is none, what the mount's options say. */
  readonly delegation: Delegation | undefined;
  /** Words of the need that it lacks. */
  readonly missing: readonly DelegationWord[];
  /** Why it is not usable. */
  readonly why?: string | undefined;
  /** The refusal, when there was one. */
  readonly error?: KernelError | undefined;
}

/** What to look for. */
export interface DiscoverOptions {
  /** The words that the token has to have; without it, any token is usable. */
  readonly need?: DelegationMasks | undefined;
}

/** Creates the token of the bpffs mounted at a path, or answers with the refusal. */
export type OpenToken = (path: string) => (HeldToken & Disposable) | KernelError;

/**
 * Tries every bpffs mount that this process sees, `/sys/fs/bpf` first. `open` creates the tokens: it is
 * given, because `Token` offers this function and so cannot be imported here.
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
