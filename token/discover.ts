/**
 * Every mount that might give a token, with a verdict.
 *
 * @module
 */

import type { Kernel } from "../kernel/kernel.ts";
import type { KernelError } from "../kernel/error.ts";
import type { Delegation, DelegationMasks, DelegationWord } from "./plan/delegation.ts";
import { type BpffsMount, bpffsMounts } from "./mounts.ts";
import { Token } from "./token.ts";

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
  readonly why?: string;
  /** The refusal, when there was one. */
  readonly error?: KernelError;
}

/** What to look for. */
export interface DiscoverOptions {
  /** The words that the token has to have; without it, any token is usable. */
  readonly need?: DelegationMasks;
}

/**
 * Tries every bpffs mount that this process sees, `/sys/fs/bpf` first, and tells of each whether it
 * gives a token and if not, why. Leaves nothing open.
 */
export function discoverTokens(kernel: Kernel, options?: DiscoverOptions): TokenCandidate[] {
  return bpffsMounts(kernel).map((mount) => judge(kernel, mount, options?.need));
}

function judge(
  kernel: Kernel,
  mount: BpffsMount,
  need: DelegationMasks | undefined,
): TokenCandidate {
  const made = Token.tryOpen(mount.path, { kernel });
  if (!(made instanceof Token)) {
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
