/**
 * The audit log: one JSON line per grant, and a summary of refusals.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";

/** The facts of a line. */
export type AuditFacts = { readonly [key: string]: JsonValue };

/**
 * Receives a line. The line counts as recorded when the call, or its promise, ends without an
 * error.
 */
export type AuditSink = (line: string) => void | Promise<void>;

/** Milliseconds over which refusals of one account are summed up. */
const WINDOW = 10_000;
/** Accounts counted separately in that time. */
const MOST_ACCOUNTS = 64;
/** Reasons counted separately per account. */
const MOST_REASONS = 8;
/** Lines that may wait for the sink. */
const MOST_PENDING = 64;
/** Key of further accounts and reasons. */
const OTHERS = "others";

/** Refusals of one account since its last line. */
interface Sum {
  count: number;
  readonly since: number;
  readonly why: Map<string, number>;
}

/** Writes lines in order, and sums up events that clients can cause in bulk. */
export class Audit {
  readonly #sink: AuditSink;
  readonly #now: () => number;
  readonly #sums: Map<string, Sum> = new Map();
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Creates an audit log for a sink; `now` returns milliseconds. */
  constructor(sink: AuditSink, now: () => number = () => performance.now()) {
    this.#sink = sink;
    this.#now = now;
  }

  /** Writes a line and returns whether it was recorded. Never throws. */
  record(facts: AuditFacts): Promise<boolean> {
    if (this.#pending >= MOST_PENDING) return Promise.resolve(false);
    this.#pending++;
    const line = JSON.stringify({ time: new Date().toISOString(), ...facts });
    const written = this.#last.then(async () => {
      try {
        await this.#sink(line);
        return true;
      } catch {
        return false;
      } finally {
        this.#pending--;
      }
    });
    this.#last = written;
    return written;
  }

  /**
   * Records a refusal. The first of an account gets a line with all facts; those of the next ten
   * seconds are summed up in one line with their number and reasons.
   */
  refused(account: string, why: string, facts: AuditFacts): void {
    const known = this.#sums.get(account) ??
      (this.#sums.size < MOST_ACCOUNTS ? undefined : this.#sums.get(OTHERS));
    if (known !== undefined) return count(known, why);
    const key = this.#sums.size < MOST_ACCOUNTS ? account : OTHERS;
    const sum: Sum = { count: 0, since: this.#now(), why: new Map() };
    this.#sums.set(key, sum);
    this.#arm();
    if (this.#pending >= MOST_PENDING) count(sum, why);
    else this.record({ event: "refused", why, account, ...facts });
  }

  /** Writes the pending sums, and waits for all lines. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    do {
      await this.#last;
      this.#writeSums(true);
    } while (this.#pending > 0);
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#writeSums(false);
      if (this.#sums.size > 0) this.#arm();
    }, WINDOW / 4);
    Deno.unrefTimer(this.#timer);
  }

  #writeSums(all: boolean): void {
    const now = this.#now();
    for (const [account, sum] of [...this.#sums]) {
      if (this.#pending >= MOST_PENDING) return;
      if (!all && now - sum.since < WINDOW) continue;
      this.#sums.delete(account);
      if (sum.count === 0) continue;
      this.record({
        event: "refused",
        account,
        more: sum.count,
        seconds: Math.round((now - sum.since) / 1000),
        why: Object.fromEntries(sum.why),
      });
      // An account that continues is summed up further, without another line for its first refusal.
      if (!all) this.#sums.set(account, { count: 0, since: now, why: new Map() });
    }
  }
}

function count(sum: Sum, why: string): void {
  sum.count++;
  const key = sum.why.has(why) || sum.why.size < MOST_REASONS ? why : OTHERS;
  sum.why.set(key, (sum.why.get(key) ?? 0) + 1);
}
