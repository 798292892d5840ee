/**
 * A poller without descriptors: tests say what is ready.
 *
 * @module
 */

import type { Poller, WaitOptions } from "../poller.ts";

/** {@linkcode Poller} of the `FakeKernel`: {@linkcode FakePoller.ready} ends a wait. */
export class FakePoller implements Poller {
  #ready: Set<number> = new Set();
  #waiting: Map<number, Set<(ready: boolean) => void>> = new Map();
  #closed = false;

  /** How many wait. */
  get waiting(): number {
    let count = 0;
    for (const waiters of this.#waiting.values()) count += waiters.size;
    return count;
  }

  /** Makes a descriptor readable: for those who wait, or else for the next who asks. */
  ready(fd: number): void {
    const waiters = this.#waiting.get(fd);
    if (waiters === undefined) this.#ready.add(fd);
    else for (const finish of [...waiters]) finish(true);
  }

  /** Resolves when {@linkcode ready} is called, by time, or when it is forgotten. */
  wait(fd: number, options: WaitOptions = {}): Promise<boolean> {
    const { signal, timeout } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#closed) return Promise.resolve(false);
    if (this.#ready.delete(fd)) return Promise.resolve(true);
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const waiters = this.#waiting.get(fd) ?? new Set();
    this.#waiting.set(fd, waiters);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      waiters.delete(finish);
      if (waiters.size === 0) this.#waiting.delete(fd);
    };
    const finish = (ready: boolean): void => {
      end();
      resolve(ready);
    };
    const abort = (): void => {
      end();
      reject(signal?.reason);
    };
    waiters.add(finish);
    signal?.addEventListener("abort", abort, { once: true });
    if (timeout !== undefined) timer = setTimeout(() => finish(false), timeout);
    return promise;
  }

  /** Ends every wait for `fd` with `false`. */
  forget(fd: number): void {
    this.#ready.delete(fd);
    for (const finish of [...this.#waiting.get(fd) ?? []]) finish(false);
  }

  /** Whether {@linkcode ready} was called since the last time; never waits. */
  poll(fd: number): boolean {
    return this.#ready.delete(fd);
  }

  /** Ends every wait with `false`. */
  [Symbol.dispose](): void {
    this.#closed = true;
    for (const fd of [...this.#waiting.keys()]) this.forget(fd);
  }
}
