/**
 * One owner for one file descriptor.
 *
 * @module
 */

import type { Kernel } from "./kernel.ts";

/** A descriptor that is closed once, by its owner. */
export class Descriptor implements Disposable {
  readonly #kernel: Pick<Kernel, "close">;
  #fd: number;

  /** Takes over `fd`. */
  constructor(kernel: Pick<Kernel, "close">, fd: number) {
    this.#kernel = kernel;
    this.#fd = fd;
  }

  /** The number, or -1 once closed: the kernel then answers EBADF. */
  get fd(): number {
    return this.#fd;
  }

  /** Whether it has been closed. */
  get closed(): boolean {
    return this.#fd < 0;
  }

  /** Closes it; a second call does nothing. */
  [Symbol.dispose](): void {
    const fd = this.#fd;
    if (fd < 0) return;
    this.#fd = -1;
    this.#kernel.close(fd);
  }
}
