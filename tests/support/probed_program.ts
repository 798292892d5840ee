/**
 * A child process whose functions and USDT probe tests attach to.
 *
 * @module
 */

/** Where it lies. */
export const PROBED_PROGRAM: string = new URL("../fixtures/probe_target", import.meta.url).pathname;

/** `probe_target` of the fixtures, running. It is built for x86-64. */
export class ProbedProgram implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  /** Starts it. */
  constructor() {
    this.#child = new Deno.Command(PROBED_PROGRAM, { stdin: "piped", stdout: "piped" }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Lets it call its functions once; answers how many listen to its USDT probe. */
  async go(): Promise<number> {
    await this.#writer.write(new Uint8Array([1]));
    const { value } = await this.#reader.read();
    return (value?.[0] ?? 0) - 48;
  }

  /** Lets it end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#child.status;
  }
}
