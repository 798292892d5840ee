/**
 * Time that passes without anything to wait for.
 *
 * @module
 */

/** Ends after some time, or when the signal is aborted. */
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

/** Lets timers and other events run once: 20 µs where the runtime has setImmediate, else some milliseconds. */
export function turn(): Promise<void> {
  const { setImmediate } = globalThis as {
    setImmediate?: ((callback: () => void) => unknown) | undefined;
  };
  return new Promise((resolve) => {
    if (setImmediate === undefined) setTimeout(resolve, 0);
    else setImmediate(resolve);
  });
}

/** Milliseconds that a reader may keep the event loop to itself. */
const TURN = 8;

/**
 * Lets the event loop turn from time to time: a promise that is resolved already gives way to other
 * promises alone, and a producer that never rests would keep timers and signals from ever running.
 */
export class Turns {
  #last = performance.now();
  #count = 0;

  /** Whether it is time. Looks at the clock with every `every`-th call only. */
  due(every: number = 1): boolean {
    return ++this.#count % every === 0 && performance.now() - this.#last > TURN;
  }

  /** Lets everything else run once. */
  async take(): Promise<void> {
    await turn();
    this.#last = performance.now();
  }
}
