/**
 * How often somebody may ask.
 *
 * @module
 */

/** Milliseconds in which the limit counts. */
const WINDOW = 60_000;
/** Most accounts that are kept in mind: beyond, those that asked longest ago are forgotten. */
const MOST = 4096;

/** Counts requests by account: the allowance fills up steadily, to a minute's worth. */
export class Rates {
  readonly #perMinute: () => number;
  readonly #now: () => number;
  readonly #left: Map<string, { tokens: number; at: number }> = new Map();

  /** With so many in a minute; `now` in milliseconds. */
  constructor(perMinute: () => number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Whether one more is allowed; counts it. */
  take(account: string): boolean {
    const most = this.#perMinute();
    const now = this.#now();
    const known = this.#left.get(account) ?? { tokens: most, at: now };
    const tokens = Math.min(most, known.tokens + (now - known.at) / WINDOW * most);
    const allowed = tokens >= 1;
    // Put last: the map's order is that of the last request.
    this.#left.delete(account);
    this.#left.set(account, { tokens: allowed ? tokens - 1 : tokens, at: now });
    if (this.#left.size > MOST) {
      const oldest = this.#left.keys().next().value;
      if (oldest !== undefined) this.#left.delete(oldest);
    }
    return allowed;
  }
}
