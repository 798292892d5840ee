/**
 * The part of the fuzzer that may hang; it runs in a worker.
 *
 * @module
 */

import { inputOf, randomOf, seedObjects, type Trial, tryInput } from "./campaign.ts";
import { Tally, type TallyData } from "./tally.ts";

/** Order from the fuzzer to the worker. */
export interface Order {
  /** The seed. */
  readonly seed: number;
  /** The first input. */
  readonly first: number;
  /** One past the last input. */
  readonly end: number;
  /** When to stop, in milliseconds of `Date.now()`. */
  readonly until: number;
}

/** Report from the worker. */
export interface Report {
  /** The next input. */
  readonly number: number;
  /** The counts so far. */
  readonly tally: TallyData;
  /** The failure of the previous input. */
  readonly failure?: string | undefined;
  /** Whether all inputs are done. */
  readonly ended?: boolean | undefined;
}

/** One of this many inputs is tried with all of its types. */
const WHOLE_EVERY = 64;

declare function postMessage(report: Report): void;

// Capturing a stack is the most expensive part of an error; failures are repeated with one.
Error.stackTraceLimit = 0;

addEventListener("message", (event) => work((event as MessageEvent<Order>).data));

function work({ seed, first, end, until }: Order): void {
  const seeds = seedObjects();
  const tally = new Tally();
  let said = performance.now();
  let number = first;
  postMessage({ number, tally: tally.data() });
  for (; number < end && Date.now() < until; number++) {
    const input = inputOf(seeds, seed, number);
    try {
      tally.add(number, input, tryNumber(input.bytes, seed, number));
    } catch (error) {
      postMessage({
        number: number + 1,
        tally: tally.data(),
        failure: tracedFailure(input.bytes, seed, number, error),
      });
    }
    if (performance.now() - said > 1000) {
      said = performance.now();
      postMessage({ number, tally: tally.data() });
    }
  }
  postMessage({ number, tally: tally.data(), ended: true });
}

function tryNumber(bytes: Uint8Array, seed: number, number: number): Trial {
  return tryInput(bytes, number % WHOLE_EVERY === 0 ? undefined : randomOf(seed, ~number));
}

function tracedFailure(bytes: Uint8Array, seed: number, number: number, error: unknown): string {
  Error.stackTraceLimit = 20;
  try {
    tryNumber(bytes, seed, number);
    return String(error);
  } catch (again) {
    const cause = again instanceof Error && again.cause instanceof Error ? again.cause : again;
    return `${again}\n${cause instanceof Error ? cause.stack ?? cause : cause}`;
  } finally {
    Error.stackTraceLimit = 0;
  }
}
