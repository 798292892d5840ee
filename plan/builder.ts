/**
 * Collects the delegated values and capabilities of a plan, with the reason for each.
 *
 * @module
 */

import { Delegation, type DelegationSet, wordOf } from "./delegation.ts";
import { BPF_CAPABILITIES, type BpfCapability } from "./bpf_capability.ts";

/** Why an option value or a capability is in the plan. */
export interface PlanReason {
  /** The option value or capability: `delegate_progs=xdp`, `CAP_NET_ADMIN`. */
  readonly word: string;
  /** What needs it: `program count_packets`, `map .rodata`. */
  readonly because: readonly string[];
}

/** A capability that the verifier may require. */
export interface MaybeCapability {
  /** Name of the capability. */
  readonly capability: BpfCapability;
  /** What may need it. */
  readonly because: readonly string[];
}

/** The highest bit of a mask. */
export const LAST_BIT: number = 63;

/** Collects delegated values and capabilities with what needs them. */
export class PlanBuilder {
  readonly #masks = { commands: 0n, maps: 0n, programs: 0n, attachments: 0n };
  readonly #reasons: Map<string, Set<string>> = new Map();
  readonly #capabilities: Set<BpfCapability> = new Set();
  readonly #maybe: Map<BpfCapability, Set<string>> = new Map();

  /** Adds a command or type. Numbers beyond bit 63 cannot be delegated and are ignored. */
  add(set: DelegationSet, number: number, because: string): void {
    if (number > LAST_BIT) return;
    this.#masks[set] |= 1n << BigInt(number);
    const word = wordOf(set, number);
    this.#because(`${word.option}=${word.word}`, because);
  }

  /** Adds a capability that is needed in the user namespace. */
  need(capability: BpfCapability, because: string): void {
    this.#capabilities.add(capability);
    this.#because(`CAP_${capability.toUpperCase()}`, because);
  }

  /** Adds a capability that may be needed in the user namespace. */
  mayNeed(capability: BpfCapability, because: string): void {
    const reasons = this.#maybe.get(capability);
    if (reasons === undefined) this.#maybe.set(capability, new Set([because]));
    else reasons.add(because);
  }

  /** The values added so far. */
  get delegation(): Delegation {
    return new Delegation(this.#masks);
  }

  /** The capabilities added so far, in the order of {@linkcode BPF_CAPABILITIES}. */
  get capabilities(): BpfCapability[] {
    return BPF_CAPABILITIES.filter((name) => this.#capabilities.has(name));
  }

  /** Capabilities that may be needed, without those that are needed or implied by CAP_SYS_ADMIN. */
  get maybe(): MaybeCapability[] {
    const has = this.#capabilities;
    return BPF_CAPABILITIES.filter((name) => !has.has(name) && !has.has("sys_admin"))
      .flatMap((capability) => {
        const because = this.#maybe.get(capability);
        return because === undefined ? [] : [{ capability, because: [...because] }];
      });
  }

  /** The reasons, in the order in which values were added. */
  get reasons(): PlanReason[] {
    return [...this.#reasons].map(([word, because]) => ({ word, because: [...because] }));
  }

  #because(word: string, because: string): void {
    const reasons = this.#reasons.get(word);
    if (reasons === undefined) this.#reasons.set(word, new Set([because]));
    else reasons.add(because);
  }
}
