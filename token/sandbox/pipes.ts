/**
 * Standard input and output of a child: as they are, or through pipes.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { SkepError } from "../../errors/skep_error.ts";

/** Bytes of standard output, and of standard error, that are kept. @default */
export const DEFAULT_MOST_OUTPUT: number = 64 * 1024 * 1024;

/** The ends of a child's standard descriptors that this process holds. */
export class Pipes implements Disposable {
  readonly #kernel: Kernel;
  readonly #reading: number[] = [];
  readonly #standard: (number | undefined)[] = [undefined, undefined, undefined];
  #childEnds: number[] = [];

  /** With `piped`, standard output and error are read here; with `noInput`, there is nothing to read for the child. */
  constructor(kernel: Kernel, piped: boolean, noInput: boolean) {
    this.#kernel = kernel;
    if (noInput) {
      const fd = kernel.open("/dev/null", 0);
      this.#standard[0] = fd;
      this.#childEnds.push(fd);
    }
    if (!piped) return;
    for (const target of [1, 2]) {
      const [reading, writing] = openPipe(kernel);
      this.#reading.push(reading);
      this.#childEnds.push(writing);
      this.#standard[target] = writing;
    }
  }

  /** What becomes 0, 1 and 2 in the child. */
  get childEnds(): readonly (number | undefined)[] {
    return this.#standard;
  }

  /** To be called when the child has its copies. */
  closeChildEnds(): void {
    for (const fd of this.#childEnds) this.#kernel.close(fd);
    this.#childEnds = [];
  }

  /**
   * Reads standard output and error until all writers are gone. Of each, `most` bytes are kept; when one
   * has more, `overflow` is called once and the rest is read and dropped, so that no writer blocks.
   */
  async read(most: number, overflow: () => void): Promise<PipedOutput> {
    const read = await Promise.all(
      this.#reading.map((fd) => readToEnd(this.#kernel, fd, most, overflow)),
    );
    return {
      stdout: read[0]?.text ?? "",
      stderr: read[1]?.text ?? "",
      cut: read.some(({ cut }) => cut),
    };
  }

  /** Closes what is open. */
  [Symbol.dispose](): void {
    this.closeChildEnds();
    for (const fd of this.#reading) {
      this.#kernel.poller.forget(fd);
      this.#kernel.close(fd);
    }
    this.#reading.length = 0;
  }
}

/** A pipe: the end to read from, the end to write to. Throws a {@linkcode KernelError} when there can be none. */
export function openPipe(kernel: Kernel): readonly [reading: number, writing: number] {
  const pipe = kernel.processes.children.pipe();
  if (typeof pipe !== "number") return pipe;
  throw new KernelError({ doing: "make", subject: "a pipe", command: "pipe2", result: pipe });
}

/** What a command wrote. */
export interface PipedOutput {
  /** Standard output. */
  readonly stdout: string;
  /** Standard error. */
  readonly stderr: string;
  /** Whether one of the two was longer than what is kept. */
  readonly cut: boolean;
}

/** The error for a command that wrote more than is kept: it was killed. */
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

/** Reads a pipe as text until its writers are gone, and keeps the first `most` bytes. */
export async function readToEnd(
  kernel: Kernel,
  fd: number,
  most: number,
  overflow: () => void = () => {},
): Promise<{ readonly text: string; readonly cut: boolean }> {
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  let left = most;
  let cut = false;
  while (await kernel.poller.wait(fd)) {
    const { result, bytes } = kernel.read(fd, 65536);
    if (result < 0 || bytes.length === 0) break;
    pieces.push(decoder.decode(bytes.subarray(0, left), { stream: true }));
    if (bytes.length > left && !cut) {
      cut = true;
      overflow();
    }
    left = Math.max(0, left - bytes.length);
  }
  pieces.push(decoder.decode());
  return { text: pieces.join(""), cut };
}
