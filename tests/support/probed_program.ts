/**
 * A child process with functions and a USDT probe for tests to attach to.
 *
 * @module
 */

/** Path of the program. */
export const PROBED_PROGRAM: string = new URL("../fixtures/probe_target", import.meta.url).pathname;

/** A running `probe_target` of the fixtures, built for x86-64. */
export class ProbedProgram implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  /** Starts the process. */
  constructor() {
    this.#child = new Deno.Command(PROBED_PROGRAM, { stdin: "piped", stdout: "piped" }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
  }

  /** Process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Makes it call its functions once; returns how many tracers listen to its USDT probe. */
  async go(): Promise<number> {
    await this.#writer.write(new Uint8Array([1]));
    const { value } = await this.#reader.read();
    return (value?.[0] ?? 0) - 48;
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#child.status;
  }
}
