/**
 * Standard input and output of a child: as they are, or through pipes.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { KernelError } from "../../errors/kernel_error.ts";

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

  /** What is written to standard output and error, when all writers are gone. */
  async read(): Promise<readonly [string, string]> {
    const texts = await Promise.all(this.#reading.map((fd) => readToEnd(this.#kernel, fd)));
    return [texts[0] ?? "", texts[1] ?? ""];
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
  throw new KernelError({ doing: "make", subject: "a pipe", command: "pipe2", number: pipe });
}

/** All that comes through a pipe until its writers are gone, as text. */
export async function readToEnd(kernel: Kernel, fd: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  while (await kernel.poller.wait(fd)) {
    const { result, bytes } = kernel.read(fd, 65536);
    if (result < 0 || bytes.length === 0) break;
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}
