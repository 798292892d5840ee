/**
 * Runs the attackers, perl scripts of this folder, as child processes.
 *
 * @module
 */

import { assert } from "@std/assert";
import { kill, patience, until } from "./under_test.ts";

const folder = new URL(".", import.meta.url).pathname;

/** Values that an attacker printed as `name=value` lines; the last one for a repeated name. */
export type Facts = { readonly [name: string]: string };

/** A running attacker. Disposing kills it. */
export class Attacker implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #facts: { [name: string]: string } = {};
  readonly #reading: Promise<unknown>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  #errors = "";

  /** Starts `support/SCRIPT.pl` with arguments. */
  constructor(script: string, args: readonly (string | number)[], wrapper: readonly string[] = []) {
    const [program = "", ...rest] = [...wrapper, "perl", "-I", folder, `${folder}${script}.pl`];
    this.#child = new Deno.Command(program, {
      args: [...rest, ...args.map(String)],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reading = Promise.all([this.#readFacts(), this.#readErrors()]);
  }

  async #readFacts(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const equals = line.indexOf("=");
        if (equals > 0) this.#facts[line.slice(0, equals)] = line.slice(equals + 1);
      }
    }
  }

  async #readErrors(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#errors += text;
    }
  }

  /** Process id of the attacker. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Values printed so far. */
  get facts(): Facts {
    return this.#facts;
  }

  /** Waits until the attacker prints a value of this name; throws after the given seconds. */
  async said(name: string, seconds: number = 10): Promise<string> {
    await until(() => this.#facts[name] !== undefined, seconds);
    const value = this.#facts[name];
    assert(value !== undefined, `the attacker did not come to say ${name}: ${this.#errors}`);
    return value;
  }

  /** Writes a line, for which the attacker waits to continue. */
  async goOn(): Promise<void> {
    await this.#writer.write(new TextEncoder().encode("\n")).catch(() => {});
  }

  /** Waits for the attacker to exit; throws on a failure status or a timeout. */
  async ended(seconds: number = 18): Promise<Facts> {
    const timer = setTimeout(() => kill(this.#child.pid, "SIGKILL"), seconds * patience * 1000);
    const { success, code } = await this.#child.status;
    clearTimeout(timer);
    await this.#readAll();
    assert(success, `the attacker ended with ${code}: ${this.#errors}`);
    return this.#facts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    kill(this.#child.pid, "SIGKILL");
    await this.#child.status;
    await this.#readAll();
  }

  /** Waits briefly for the last output: processes that the attacker left running may hold the pipes open. */
  async #readAll(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, 1000);
    await Promise.race([this.#reading, late.promise]);
    clearTimeout(timer);
  }
}

/** Runs an attacker until it exits and returns the values that it printed. */
export async function attack(
  script: string,
  args: readonly (string | number)[],
  seconds?: number,
): Promise<Facts> {
  await using attacker = new Attacker(script, args);
  return await attacker.ended(seconds);
}
