/**
 * Who may hold a connection.
 *
 * @module
 */

/** For whom a connection counts. */
export interface Holder {
  /** The account: the owner of the user namespace. */
  readonly account: string;
  /** Whether a rule of the policy is for it. */
  readonly named: boolean;
}

/** The place of one connection. */
export interface Slot extends Holder {
  /** Whether its request is still awaited: then it may have to make room for another. */
  waiting: boolean;
  /** Ends the wait for its request. */
  readonly evict: () => void;
}

/**
 * The places for connections at one time.
 *
 * Nobody holds more than a quarter of them, and those whom no rule names hold half of them at most, all
 * together. Where there is no place left, who has sent no request yet makes room: first those whom no
 * rule names, then who holds most, the oldest connection first. So a client that sends its request at
 * once is served whatever others hold.
 */
export class Slots {
  readonly #most: () => number;
  readonly #slots: Set<Slot> = new Set();

  /** With so many places. */
  constructor(most: () => number) {
    this.#most = most;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#slots.size;
  }

  /** Takes a place; undefined when there is none for this holder. `evict` is called when it has to make room. */
  enter(holder: Holder, evict: () => void): Slot | undefined {
    const most = this.#most();
    const share = Math.max(1, Math.floor(most / 4));
    const bound = holder.named ? most : Math.max(1, Math.floor(most / 2));
    // Its own older silence makes room for its next request, and for nobody else's loss.
    if (this.#count((slot) => slot.account === holder.account) >= share) {
      if (!this.#evict((slot) => slot.account === holder.account)) return undefined;
    } else if (this.#slots.size >= most || (!holder.named && this.#unnamed() >= bound)) {
      if (!this.#makeRoom(holder)) return undefined;
    }
    const slot: Slot = { ...holder, waiting: true, evict };
    this.#slots.add(slot);
    return slot;
  }

  /** Gives a place back. */
  leave(slot: Slot): void {
    this.#slots.delete(slot);
  }

  /** Evicts everybody who waits. */
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

  /** The oldest one that waits for its request and fits. */
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
