/**
 * Waits for descriptors without blocking the event loop.
 *
 * @module
 */

/** Options of {@linkcode Poller.wait}. */
export interface WaitOptions {
  /** Rejects the wait with the signal's reason when aborted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds after which the wait ends with `false`.
   *
   * @default {undefined} no limit
   */
  readonly timeout?: number | undefined;
  /**
   * Waits until the descriptor is writable instead of readable. Errors and hang-ups end either wait.
   *
   * @default {false}
   */
  readonly writable?: boolean | undefined;
}

/**
 * Waits for many descriptors with one system call on one thread of the runtime's pool.
 *
 * Without pending waits it blocks no thread and does not keep the process alive.
 */
export interface Poller extends Disposable {
  /**
   * Resolves to true when `fd` is readable (or writable, in error or hung up), and to false after the
   * timeout, by {@linkcode forget}, and when the poller is closed. Several waits for one descriptor all
   * resolve. Rejects with the signal's reason when it is aborted, and with a `KernelError` for a descriptor
   * that epoll refuses (EPERM for a regular file, EBADF).
   */
  wait(fd: number, options?: WaitOptions): Promise<boolean>;

  /** Ends every wait for `fd` with `false`. Must be called before the descriptor is closed. */
  forget(fd: number): void;

  /**
   * Returns whether `fd` is readable (or writable) now.
   *
   * With `timeout`, waits that many milliseconds, -1 without limit, and *blocks this thread*: meant for a
   * worker that needs the lowest latency from event to handler.
   */
  poll(fd: number, timeout?: number, writable?: boolean): boolean;
}
