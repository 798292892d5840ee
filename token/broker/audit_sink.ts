/**
 * Writes the audit log to a descriptor without ever blocking the broker on a full or closed pipe.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { O_NONBLOCK, O_WRONLY, S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK } from "../../uapi/files.ts";

/** Milliseconds to wait for one line. */
const PATIENCE = 500;

/** Writes lines to a descriptor. */
export class DescriptorSink implements Disposable {
  readonly #kernel: Kernel;
  readonly #fd: number;
  readonly #reopened: boolean;
  readonly #socket: boolean;
  /** The unwritten rest of a line that was written in part. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Whether the last line timed out; if so, later lines do not wait. */
  #stuck = false;

  /**
   * Uses descriptor `fd`. A pipe or terminal is reopened, because O_NONBLOCK belongs to the open
   * file description, which other processes may share.
   */
  constructor(kernel: Kernel, fd: number) {
    this.#kernel = kernel;
    const type = kernel.stat(fd).mode & S_IFMT;
    const own = type === S_IFIFO || type === S_IFCHR
      ? kernel.open(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK)
      : -Errno.EINVAL;
    this.#reopened = own >= 0;
    this.#fd = own >= 0 ? own : fd;
    this.#socket = type === S_IFSOCK;
  }

  /**
   * Writes a line.
   *
   * @throws {KernelError} when it cannot be written in time.
   */
  async write(line: string): Promise<void> {
    const end = performance.now() + (this.#stuck ? 0 : PATIENCE);
    const before = this.#rest.length;
    const bytes = new TextEncoder().encode(`${line}\n`);
    const text = new Uint8Array(before + bytes.length);
    text.set(this.#rest);
    text.set(bytes, before);
    let written = 0;
    let refusal = 0;
    while (written < text.length) {
      const result = this.#write(text.subarray(written));
      if (result >= 0) {
        written += result;
        continue;
      }
      const left = end - performance.now();
      const wait = failed(result, Errno.EAGAIN) && left > 0 &&
        await this.#kernel.poller.wait(this.#fd, { writable: true, timeout: left });
      if (wait || failed(result, Errno.EINTR)) continue;
      refusal = result;
      break;
    }
    // A line written in part must be finished before the next; an unwritten one is dropped.
    this.#rest = written === before || written === text.length
      ? new Uint8Array(0)
      : written < before
      ? text.slice(written, before)
      : text.slice(written);
    this.#stuck = failed(refusal, Errno.EAGAIN);
    if (refusal === 0) return;
    throw new KernelError({
      doing: "write",
      subject: "the audit",
      command: "write",
      result: refusal,
      why: this.#stuck ? "no process reads it" : undefined,
    });
  }

  #write(bytes: Uint8Array): number {
    return this.#socket
      ? this.#kernel.processes.sockets.send(this.#fd, bytes)
      : this.#kernel.write(this.#fd, bytes);
  }

  /** Closes the reopened descriptor. */
  [Symbol.dispose](): void {
    this.#kernel.poller.forget(this.#fd);
    if (this.#reopened) this.#kernel.close(this.#fd);
  }
}
