/**
 * Waiting for descriptors without blocking the event loop.
 *
 * @module
 */

/** How to wait. */
export interface WaitOptions {
  /** Ends the wait at once with its reason as the error. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the wait ends with `false`; without it, no end. */
  readonly timeout?: number | undefined;
  /** What to wait for; default readable. Errors and hang-up always end a wait. */
  readonly writable?: boolean | undefined;
}

/**
 * Waits for many descriptors with one system call on one thread of the runtime's pool.
 *
 * While nobody waits it holds nothing: the process can end, and no thread is parked.
 */
export interface Poller extends Disposable {
  /**
   * Resolves to true when `fd` is readable (or writable, in error or hung up), and to false when the
   * time is over, when {@linkcode forget} was called for it or when the poller was closed.
   *
   * Several may wait for one descriptor; each is told. Rejects with the signal's reason when the
   * signal is aborted, and with a `KernelError` for a descriptor that cannot be waited for (`EPERM`
   * for a plain file, `EBADF`).
   */
  wait(fd: number, options?: WaitOptions): Promise<boolean>;

  /** Ends every wait for `fd` with `false`. Call it before the descriptor is closed. */
  forget(fd: number): void;

  /**
   * Asks without waiting: whether `fd` is readable (or writable) now.
   *
   * With `timeout` it waits so many milliseconds, -1 without end, and *blocks this thread*: meant for
   * a worker that owns its loop and wants the shortest way from event to handler.
   */
  poll(fd: number, timeout?: number, writable?: boolean): boolean;
}
