/**
 * A poller without epoll: tests call `ready`.
 *
 * @module
 */

import type { Poller, WaitOptions } from "../poller.ts";

/** Implements {@linkcode Poller} for the `FakeKernel`: {@linkcode FakePoller.ready} ends a wait. */
export class FakePoller implements Poller {
  #ready: Set<number> = new Set();
  #waiting: Map<number, Set<(ready: boolean) => void>> = new Map();
  #closed = false;

  /** The number of pending waits. */
  get waiting(): number {
    let count = 0;
    for (const waiters of this.#waiting.values()) count += waiters.size;
    return count;
  }

  /** Marks a descriptor readable: ends all waits for it, or the next one when there is none. */
  ready(fd: number): void {
    const waiters = this.#waiting.get(fd);
    if (waiters === undefined) this.#ready.add(fd);
    else for (const finish of [...waiters]) finish(true);
  }

  /**
   * Resolves with `true` when {@linkcode ready} is called, with `false` after the timeout or when the
   * descriptor is closed.
   */
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

  /** Returns whether {@linkcode ready} was called since the last wait or poll; never blocks. */
  poll(fd: number): boolean {
    return this.#ready.delete(fd);
  }

  /** Ends every wait with `false`. */
  [Symbol.dispose](): void {
    this.#closed = true;
    for (const fd of [...this.#waiting.keys()]) this.forget(fd);
  }
}
