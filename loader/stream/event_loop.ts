/**
 * Timers, and yielding to the event loop.
 *
 * @module
 */

/** Resolves after a number of milliseconds, or when the signal is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (): void => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
    resolve();
  };
  const timer = setTimeout(end, milliseconds);
  signal?.addEventListener("abort", end);
  if (signal?.aborted) end();
  return promise;
}

/**
 * Yields to the event loop once, so that timers and I/O run. Takes about 20 µs with setImmediate, else some
 * milliseconds.
 */
export function turn(): Promise<void> {
  const { setImmediate } = globalThis as {
    setImmediate?: ((callback: () => void) => unknown) | undefined;
  };
  return new Promise((resolve) => {
    if (setImmediate === undefined) setTimeout(resolve, 0);
    else setImmediate(resolve);
  });
}

/** Milliseconds that a reader may occupy the event loop before it yields. */
const TURN = 8;

/**
 * Decides when a reader yields to the event loop.
 *
 * Awaiting a resolved promise runs only other promises: without yielding, a reader of a producer that never pauses
 * would keep timers and signals from running.
 */
export class Turns {
  #last = performance.now();
  #count = 0;

  /** Returns whether it is time to yield. Reads the clock only on every `every`-th call. */
  due(every: number = 1): boolean {
    return ++this.#count % every === 0 && performance.now() - this.#last > TURN;
  }

  /** Yields to the event loop once. */
  async take(): Promise<void> {
    await turn();
    this.#last = performance.now();
  }
}
