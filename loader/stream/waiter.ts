/**
 * Waits for a reader's descriptor through the kernel's shared poller.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";

/** Waits for one descriptor. Disposing it ends all waits. */
export class Waiter implements Disposable {
  readonly #kernel: Kernel;
  readonly #fd: number;
  #closed = false;
  #waiting = 0;

  /** Creates a waiter for a descriptor, which the caller keeps and closes. */
  constructor(kernel: Kernel, fd: number) {
    this.#kernel = kernel;
    this.#fd = fd;
  }

  /**
   * Resolves to true when the descriptor is ready, and to false when the signal was aborted, the timeout (in
   * milliseconds) expired or the waiter was disposed.
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
      // An aborted signal ends a stream without an error.
      if (options.signal?.aborted) return false;
      throw error;
    } finally {
      this.#waiting--;
    }
  }

  /** Blocks this thread until the descriptor is readable. Returns false after `timeout` milliseconds. */
  poll(timeout: number): boolean {
    return !this.#closed && this.#kernel.poller.poll(this.#fd, timeout);
  }

  /** Ends all current waits. Later waits are not affected. */
  stop(): void {
    if (this.#waiting > 0) this.#kernel.poller.forget(this.#fd);
  }

  /** Ends all waits. Later waits return at once. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stop();
  }
}
