/**
 * What a command sees of the world outside: where to print, and when to stop.
 *
 * Commands get an {@linkcode Io} and never touch `Deno.stdout` themselves, so that a test can run a
 * command and read what it printed.
 *
 * @module
 */

import { terminalLines } from "../errors/escape.ts";

/** Where a command prints to, and what it knows of its terminal. */
export interface Io {
  /** Prints to standard output, as it is: the caller ends lines. */
  out(text: string): void;
  /** Writes bytes to standard output. */
  outBytes(bytes: Uint8Array): void;
  /** Prints to standard error, as it is. */
  error(text: string): void;
  /** Whether standard output takes colours: a terminal, and no `NO_COLOR`. */
  readonly colour: boolean;
  /** Whether standard error takes colours. */
  readonly errorColour: boolean;
  /** Columns of the terminal; `undefined` when standard output is none. */
  readonly width: number | undefined;
  /** An environment variable. */
  environment(name: string): string | undefined;
  /** Aborted when the user wants the command to end (Ctrl-C, SIGTERM). */
  readonly signal: AbortSignal;
}

/** The reader of standard output is gone (`skep … | head`): nothing is wrong, nothing is left to do. */
export class OutputClosed extends Error {
  /** The class's name. */
  override readonly name: string = "OutputClosed";
}

/** The {@linkcode Io} of this process, and how to give its signal handlers back. */
export interface ProcessIo extends Io, Disposable {
}

/** Connects a command with this process: standard output and error, the environment, Ctrl-C. */
export function processIo(): ProcessIo {
  const encoder = new TextEncoder();
  const controller = new AbortController();
  // Colours are asked for by file: `skep inspect x.o > file` still shows errors in colour.
  const plain = (environment("NO_COLOR") ?? "") !== "";
  const stop = (): void => controller.abort();
  const signals: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  return {
    out: (text) => writeAll(Deno.stdout, encoder.encode(text)),
    outBytes: (bytes) => writeAll(Deno.stdout, bytes),
    error: (text) => writeAll(Deno.stderr, encoder.encode(text)),
    colour: !plain && Deno.stdout.isTerminal(),
    errorColour: !plain && Deno.stderr.isTerminal(),
    width: terminalWidth(),
    environment,
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const signal of signals) Deno.removeSignalListener(signal, stop);
    },
  };
}

/**
 * The same with a last look at what is printed: names are escaped where they are put into lines, and what was
 * missed there reaches no terminal here. Our own colours pass.
 */
export function guardedIo(io: Io): Io {
  return {
    ...io,
    out: (text) => io.out(terminalLines(text, io.colour)),
    error: (text) => io.error(terminalLines(text, io.errorColour)),
  };
}

/** Without permission to read the environment, it is empty: nobody is asked. */
function environment(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}

function writeAll(file: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  try {
    for (let written = 0; written < bytes.length;) {
      written += file.writeSync(bytes.subarray(written));
    }
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosed();
    throw error;
  }
}

function terminalWidth(): number | undefined {
  try {
    return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : undefined;
  } catch {
    // A terminal that does not tell its size (some CI systems): as if it were none.
    return undefined;
  }
}
