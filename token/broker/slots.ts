/**
 * Allots the connections of a broker.
 *
 * @module
 */

/** The account that a connection counts for. */
export interface Holder {
  /** The account: the owner of the user namespace. */
  readonly account: string;
  /** Whether a rule of the policy matches it. */
  readonly named: boolean;
}

/** The slot of one connection. */
export interface Slot extends Holder {
  /** Whether its request has not arrived yet; if so, it may be evicted. */
  waiting: boolean;
  /** Ends the wait for its request. */
  readonly evict: () => void;
}

/**
 * The slots for simultaneous connections.
 *
 * An account holds at most a quarter of them, and all accounts without a rule together at most
 * half. When none is free, a connection without a request is evicted: first of accounts without a
 * rule, then of the account that holds most, oldest first. So a client that sends its request at
 * once is served whatever others hold.
 */
export class Slots {
  readonly #most: () => number;
  readonly #slots: Set<Slot> = new Set();

  /** Sets the number of slots. */
  constructor(most: () => number) {
    this.#most = most;
  }

  /** Number of slots in use. */
  get taken(): number {
    return this.#slots.size;
  }

  /**
   * Takes a slot; undefined when none is free for this holder. `evict` is called when it must make
   * room.
   */
  enter(holder: Holder, evict: () => void): Slot | undefined {
    const most = this.#most();
    const share = Math.max(1, Math.floor(most / 4));
    const bound = holder.named ? most : Math.max(1, Math.floor(most / 2));
    // An account at its limit evicts its own oldest idle connection only.
    if (this.#count((slot) => slot.account === holder.account) >= share) {
      if (!this.#evict((slot) => slot.account === holder.account)) return undefined;
    } else if (this.#slots.size >= most || (!holder.named && this.#unnamed() >= bound)) {
      if (!this.#makeRoom(holder)) return undefined;
    }
    const slot: Slot = { ...holder, waiting: true, evict };
    this.#slots.add(slot);
    return slot;
  }

  /** Frees a slot. */
  leave(slot: Slot): void {
    this.#slots.delete(slot);
  }

  /** Evicts all connections without a request. */
  evictAll(): void {
    while (this.#evict(() => true));
  }

  #makeRoom(holder: Holder): boolean {
    if (holder.named && this.#evict((slot) => !slot.named)) return true;
    const held = this.#count((slot) => slot.account === holder.account);
    const waiting = [...this.#slots].filter((slot) =>
      slot.waiting && (slot.named === holder.named)
    );
    let victim: Slot | undefined;
    let most = held;
    for (const slot of waiting) {
      const count = this.#count((other) => other.account === slot.account);
      if (count > most) [victim, most] = [slot, count];
    }
    return victim !== undefined && this.#evict((slot) => slot === victim);
  }

  /** Evicts the oldest matching connection without a request. */
  #evict(fits: (slot: Slot) => boolean): boolean {
    for (const slot of this.#slots) {
      if (!slot.waiting || !fits(slot)) continue;
      this.#slots.delete(slot);
      slot.waiting = false;
      slot.evict();
      return true;
    }
    return false;
  }

  #unnamed(): number {
    return this.#count((slot) => !slot.named);
  }

  #count(fits: (slot: Slot) => boolean): number {
    let count = 0;
    for (const slot of this.#slots) if (fits(slot)) count++;
    return count;
  }
}
