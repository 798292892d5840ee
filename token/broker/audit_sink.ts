/**
 * An audit on a descriptor of this process that never stops it: neither a full pipe nor a closed one.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { O_NONBLOCK, O_WRONLY, S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK } from "../../uapi/files.ts";

/** Milliseconds that a line may take. */
const PATIENCE = 500;

/** Writes lines to a descriptor. */
export class DescriptorSink implements Disposable {
  readonly #kernel: Kernel;
  readonly #fd: number;
  readonly #reopened: boolean;
  readonly #socket: boolean;
  /** What of the last line is still to be written, after a part of it was. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Whether the last line did not go out in time: the next ones do not wait. */
  #stuck = false;

  /**
   * On descriptor `fd`. A pipe or terminal is opened anew, since not to block is a property of the open file,
   * which other processes may share.
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

  /** Writes a line. Throws a {@linkcode KernelError} when it could not be written, or not in time. */
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
    // A line that was begun has to be finished before the next; one that was not is given up.
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
      why: this.#stuck ? "nobody reads it" : undefined,
    });
  }

  #write(bytes: Uint8Array): number {
    return this.#socket
      ? this.#kernel.processes.sockets.send(this.#fd, bytes)
      : this.#kernel.write(this.#fd, bytes);
  }

  /** Closes what was opened. */
  [Symbol.dispose](): void {
    this.#kernel.poller.forget(this.#fd);
    if (this.#reopened) this.#kernel.close(this.#fd);
  }
}
