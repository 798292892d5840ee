/**
 * Limits how often an account may send requests.
 *
 * @module
 */

/** Period of the limit in milliseconds. */
const WINDOW = 60_000;
/** Accounts to remember; beyond that, the least recent are dropped. */
const MOST = 4096;

/** Counts requests per account with a token bucket that holds one minute's worth. */
export class Rates {
  readonly #perMinute: () => number;
  readonly #now: () => number;
  readonly #left: Map<string, { tokens: number; at: number }> = new Map();

  /** Sets the limit per minute; `now` returns milliseconds. */
  constructor(perMinute: () => number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Counts one request and returns whether it is allowed. */
  take(account: string): boolean {
    const most = this.#perMinute();
    const now = this.#now();
    const known = this.#left.get(account) ?? { tokens: most, at: now };
    const tokens = Math.min(most, known.tokens + (now - known.at) / WINDOW * most);
    const allowed = tokens >= 1;
    // Re-inserted last, so that the map is ordered by last request.
    this.#left.delete(account);
    this.#left.set(account, { tokens: allowed ? tokens - 1 : tokens, at: now });
    if (this.#left.size > MOST) {
      const oldest = this.#left.keys().next().value;
      if (oldest !== undefined) this.#left.delete(oldest);
    }
    return allowed;
  }
}
