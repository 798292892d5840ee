/**
 * The part of the fuzzer that may hang: it works in a thread of its own.
 *
 * @module
 */

import { inputOf, seedObjects, tryInput } from "./campaign.ts";

/** What the worker says. */
export interface Report {
  readonly number: number;
  readonly accepted: number;
  readonly slowest: number;
  readonly failure?: string | undefined;
}

addEventListener("message", (event) => {
  const [seconds, seed] = (event as MessageEvent<[number, number]>).data;
  work(seconds, seed);
});

function work(seconds: number, seed: number): void {
  const post = (report: Report): void => {
    (globalThis as unknown as { postMessage(report: Report): void }).postMessage(report);
  };
  const seeds = seedObjects();
  const end = performance.now() + seconds * 1000;
  let accepted = 0;
  let slowest = 0;
  let said = performance.now();
  let number = 0;
  post({ number, accepted, slowest });
  for (; performance.now() < end; number++) {
    try {
      const outcome = tryInput(inputOf(seeds, seed, number));
      if (outcome.accepted) accepted++;
      slowest = Math.max(slowest, outcome.milliseconds);
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const failure = cause instanceof Error ? cause.stack ?? String(cause) : String(cause);
      post({ number, accepted, slowest, failure: `${error}\n${failure}` });
    }
    if (performance.now() - said > 1000) {
      said = performance.now();
      post({ number, accepted, slowest });
    }
  }
  post({ number: -number, accepted, slowest });
}
