/**
 * One reader's place in the process's one poller.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";

/** Waits for one descriptor, until it is disposed of. */
export class Waiter implements Disposable {
  readonly #kernel: Kernel;
  readonly #fd: number;
  #closed = false;
  #waiting = 0;

  /** The descriptor stays the caller's. */
  constructor(kernel: Kernel, fd: number) {
    this.#kernel = kernel;
    this.#fd = fd;
  }

  /**
   * Resolves to true when the descriptor is ready, to false when the signal was aborted, the time was
   * up or the waiter disposed of.
   */
  async ready(
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly timeout?: number | undefined;
      readonly writable?: boolean | undefined;
    },
  ): Promise<boolean> {
    if (this.#closed || options.signal?.aborted) return false;
    this.#waiting++;
    try {
      const { signal, timeout, writable } = options;
      const wait = {
        signal,
        timeout,
        writable,
      };
      return await this.#kernel.poller.wait(this.#fd, wait) && !this.#closed;
    } catch (error) {
      // The end of a stream by its signal is not an error: the loop ends.
      if (options.signal?.aborted) return false;
      throw error;
    } finally {
      this.#waiting--;
    }
  }

  /** Waits until the descriptor is readable, and blocks this thread. */
  poll(timeout: number): boolean {
    return !this.#closed && this.#kernel.poller.poll(this.#fd, timeout);
  }

  /** Ends every wait at once; the next one waits again. */
  stop(): void {
    if (this.#waiting > 0) this.#kernel.poller.forget(this.#fd);
  }

  /** Ends every wait at once. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stop();
  }
}
