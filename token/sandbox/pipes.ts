/**
 * Standard input, output and error of a child: inherited, or through pipes.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { SkepError } from "../../errors/skep_error.ts";

/** Maximum number of bytes of standard output, and of standard error, that are kept. */
export const DEFAULT_MOST_OUTPUT: number = 64 * 1024 * 1024;

/** This process's ends of a child's standard descriptors. */
export class Pipes implements Disposable {
  readonly #kernel: Kernel;
  readonly #reading: number[] = [];
  readonly #standard: (number | undefined)[] = [undefined, undefined, undefined];
  readonly #writersEnded: AbortController = new AbortController();
  #childEnds: number[] = [];

  /**
   * With `piped`, standard output and error are pipes; with `noInput`, standard input is /dev/null.
   *
   * @throws {KernelError} when one of them cannot be opened; the others are closed then.
   */
  constructor(kernel: Kernel, piped: boolean, noInput: boolean) {
    this.#kernel = kernel;
    try {
      if (noInput) this.#childEnd(0, openNull(kernel));
      if (!piped) return;
      for (const target of [1, 2]) {
        const [reading, writing] = openPipe(kernel);
        this.#reading.push(reading);
        this.#childEnd(target, writing);
      }
    } catch (error) {
      // `using` disposes only of what was constructed.
      this[Symbol.dispose]();
      throw error;
    }
  }

  #childEnd(target: number, fd: number): void {
    this.#childEnds.push(fd);
    this.#standard[target] = fd;
  }

  /** The descriptors that become 0, 1 and 2 in the child. */
  get childEnds(): readonly (number | undefined)[] {
    return this.#standard;
  }

  /** Closes the child's ends; call it when the child has its copies. */
  closeChildEnds(): void {
    for (const fd of this.#childEnds) this.#kernel.close(fd);
    this.#childEnds = [];
  }

  /**
   * Reads standard output and error until all writers have closed them, or, after {@linkcode finish}, what the
   * pipes hold. Of each, `most` bytes are kept; when one has more, `overflow` is called once and the rest is
   * discarded, so that no writer blocks.
   */
  async read(most: number, overflow: () => void): Promise<PipedOutput> {
    const read = await Promise.all(
      this.#reading.map((fd) =>
        readToEnd(this.#kernel, fd, most, overflow, this.#writersEnded.signal)
      ),
    );
    return {
      stdout: read[0]?.text ?? "",
      stderr: read[1]?.text ?? "",
      cut: read.some(({ cut }) => cut),
    };
  }

  /**
   * Ends {@linkcode read} when it has read what the pipes hold: the command may have sent its end to a process
   * outside, which would keep the caller waiting.
   */
  finish(): void {
    this.#writersEnded.abort();
  }

  /** Closes all open descriptors. */
  [Symbol.dispose](): void {
    this.closeChildEnds();
    for (const fd of this.#reading) {
      this.#kernel.poller.forget(fd);
      this.#kernel.close(fd);
    }
    this.#reading.length = 0;
  }
}

function openNull(kernel: Kernel): number {
  const fd = kernel.open("/dev/null", 0);
  if (fd >= 0) return fd;
  throw new KernelError({ doing: "open", subject: "/dev/null", command: "open", result: fd });
}

/**
 * Creates a pipe: returns the reading and the writing end.
 *
 * @throws {KernelError} when pipe2(2) fails.
 */
export function openPipe(kernel: Kernel): readonly [reading: number, writing: number] {
  const pipe = kernel.processes.children.pipe();
  if (typeof pipe !== "number") return pipe;
  throw new KernelError({ doing: "make", subject: "a pipe", command: "pipe2", result: pipe });
}

/** The output of a command. */
export interface PipedOutput {
  /** Standard output. */
  readonly stdout: string;
  /** Standard error. */
  readonly stderr: string;
  /** Whether one of the two was truncated. */
  readonly cut: boolean;
}

/** Returns the error of a command that was killed because it wrote more than is kept. */
export function tooMuchOutput(subject: string, most: number, output: PipedOutput): SkepError {
  return new SkepError({
    doing: "run",
    subject,
    errno: "EFBIG",
    stage: "token",
    why: `it wrote more than ${most} bytes and was killed`,
    fix: 'raise mostOutput, or let it write to a file (output: "inherit")',
    data: { stdout: output.stdout, stderr: output.stderr },
  });
}

/**
 * Reads a pipe as text until its writers have closed it, and keeps the first `most` bytes. After `ended` it
 * reads what the pipe holds, up to `most`, without waiting.
 */
export async function readToEnd(
  kernel: Kernel,
  fd: number,
  most: number,
  overflow: () => void = () => {},
  ended?: AbortSignal,
): Promise<{ readonly text: string; readonly cut: boolean }> {
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  let left = most;
  let cut = false;
  const stop = (): void => kernel.poller.forget(fd);
  ended?.addEventListener("abort", stop);
  const ready = async (): Promise<boolean> => {
    if (ended?.aborted !== true && await kernel.poller.wait(fd)) return true;
    return ended?.aborted === true && !cut && kernel.poller.poll(fd);
  };
  while (await ready()) {
    const { result, bytes } = kernel.read(fd, 65536);
    if (result < 0 || bytes.length === 0) break;
    pieces.push(decoder.decode(bytes.subarray(0, left), { stream: true }));
    if (bytes.length > left && !cut) {
      cut = true;
      overflow();
    }
    left = Math.max(0, left - bytes.length);
  }
  ended?.removeEventListener("abort", stop);
  pieces.push(decoder.decode());
  return { text: pieces.join(""), cut };
}
