/**
 * Collects the words and capabilities of a plan, with who needs each.
 *
 * @module
 */

import { Delegation, type DelegationSet, wordOf } from "./delegation.ts";
import { BPF_CAPABILITIES, type BpfCapability } from "./bpf_capability.ts";

/** Why a word or a capability is in the plan. */
export interface PlanReason {
  /** `delegate_progs=xdp`, or `CAP_NET_ADMIN`. */
  readonly word: string;
  /** What asks for it: `program count_packets`, `map .rodata`. */
  readonly because: readonly string[];
}

/** A capability that may be needed. */
export interface MaybeCapability {
  /** Which. */
  readonly capability: BpfCapability;
  /** What may ask for it. */
  readonly because: readonly string[];
}

/** The highest number that a mask has a bit for. */
export const LAST_BIT: number = 63;

/** Collects words with who asked for them. */
export class PlanBuilder {
  readonly #masks = { commands: 0n, maps: 0n, programs: 0n, attachments: 0n };
  readonly #reasons: Map<string, Set<string>> = new Map();
  readonly #capabilities: Set<BpfCapability> = new Set();
  readonly #maybe: Map<BpfCapability, Set<string>> = new Map();

  /** Adds a word. What has no bit in a mask of 64 cannot be delegated, and is passed over. */
  add(set: DelegationSet, number: number, because: string): void {
    if (number > LAST_BIT) return;
    this.#masks[set] |= 1n << BigInt(number);
    const word = wordOf(set, number);
    this.#because(`${word.option}=${word.word}`, because);
  }

  /** Adds a capability inside the user namespace. */
  need(capability: BpfCapability, because: string): void {
    this.#capabilities.add(capability);
    this.#because(`CAP_${capability.toUpperCase()}`, because);
  }

  /** Adds a capability that may be needed inside the user namespace. */
  mayNeed(capability: BpfCapability, because: string): void {
    const reasons = this.#maybe.get(capability);
    if (reasons === undefined) this.#maybe.set(capability, new Set([because]));
    else reasons.add(because);
  }

  /** What has been added. */
  get delegation(): Delegation {
    return new Delegation(this.#masks);
  }

  /** The capabilities, in a fixed order. */
  get capabilities(): BpfCapability[] {
    return BPF_CAPABILITIES.filter((name) => this.#capabilities.has(name));
  }

  /** Those that may be needed, without those that are, and without what CAP_SYS_ADMIN stands for. */
  get maybe(): MaybeCapability[] {
    const has = this.#capabilities;
    return BPF_CAPABILITIES.filter((name) => !has.has(name) && !has.has("sys_admin"))
      .flatMap((capability) => {
        const because = this.#maybe.get(capability);
        return because === undefined ? [] : [{ capability, because: [...because] }];
      });
  }

  /** Why, in the order in which the words were asked for. */
  get reasons(): PlanReason[] {
    return [...this.#reasons].map(([word, because]) => ({ word, because: [...because] }));
  }

  #because(word: string, because: string): void {
    const reasons = this.#reasons.get(word);
    if (reasons === undefined) this.#reasons.set(word, new Set([because]));
    else reasons.add(because);
  }
}
