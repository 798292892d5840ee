/**
 * The audit: a line of JSON for each grant, and refusals summed up.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";

/** The facts of a line. */
export type AuditFacts = { readonly [key: string]: JsonValue };

/** Takes a line: it is recorded when the call, or the promise, ends without an error. */
export type AuditSink = (line: string) => void | Promise<void>;

/** Milliseconds over which the refusals of one account are summed up. */
const WINDOW = 10_000;
/** Most accounts whose refusals are counted apart in that time. */
const MOST_ACCOUNTS = 64;
/** Most different reasons that are counted apart. */
const MOST_REASONS = 8;
/** Most lines that wait for the sink. */
const MOST_PENDING = 64;
/** Of accounts and reasons beyond. */
const OTHERS = "others";

/** Refusals of one account since the last line about them. */
interface Sum {
  count: number;
  readonly since: number;
  readonly why: Map<string, number>;
}

/** Writes lines one after another, and sums up what clients could make many of. */
export class Audit {
  readonly #sink: AuditSink;
  readonly #now: () => number;
  readonly #sums: Map<string, Sum> = new Map();
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Into the sink; `now` in milliseconds. */
  constructor(sink: AuditSink, now: () => number = () => performance.now()) {
    this.#sink = sink;
    this.#now = now;
  }

  /** Writes a line: whether it is recorded. Never throws. */
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
   * A refusal: the first of an account has a line of its own with all its facts, the others of the next ten
   * seconds become one line with their number and reasons.
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

  /** Writes what was summed up, and waits until all lines have been taken or refused. */
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
      // Who goes on is summed up further, without another line of its own.
      if (!all) this.#sums.set(account, { count: 0, since: now, why: new Map() });
    }
  }
}

function count(sum: Sum, why: string): void {
  sum.count++;
  const key = sum.why.has(why) || sum.why.size < MOST_REASONS ? why : OTHERS;
  sum.why.set(key, (sum.why.get(key) ?? 0) + 1);
}
