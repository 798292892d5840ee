/**
 * The owner of one file descriptor.
 *
 * @module
 */

import type { Kernel } from "./kernel.ts";

/** Owns a file descriptor and closes it once. */
export class Descriptor implements Disposable {
  readonly #kernel: Pick<Kernel, "close">;
  #fd: number;

  /** Takes ownership of `fd`. */
  constructor(kernel: Pick<Kernel, "close">, fd: number) {
    this.#kernel = kernel;
    this.#fd = fd;
  }

  /** The descriptor's number; -1 once closed, for which the kernel returns EBADF. */
  get fd(): number {
    return this.#fd;
  }

  /** Whether the descriptor was closed. */
  get closed(): boolean {
    return this.#fd < 0;
  }

  /** Closes the descriptor; later calls do nothing. */
  [Symbol.dispose](): void {
    const fd = this.#fd;
    if (fd < 0) return;
    this.#fd = -1;
    this.#kernel.close(fd);
  }
}
