/**
 * The input and output of a command.
 *
 * Commands use an {@linkcode Io} instead of `Deno.stdout`, so that tests can run them and read
 * their output.
 *
 * @module
 */

import { terminalLines } from "../errors/escape.ts";

/** Output, terminal and signals of a command. */
export interface Io {
  /** Writes text to standard output, without adding a newline. */
  out(text: string): void;
  /** Writes bytes to standard output. */
  outBytes(bytes: Uint8Array): void;
  /** Writes text to standard error, without adding a newline. */
  error(text: string): void;
  /** Whether to colour standard output: it is a terminal, and `NO_COLOR` is not set. */
  readonly colour: boolean;
  /** Whether to colour standard error. */
  readonly errorColour: boolean;
  /** Width of the terminal in columns; undefined when standard output is no terminal. */
  readonly width: number | undefined;
  /** Returns an environment variable. */
  environment(name: string): string | undefined;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
}

/** Thrown when the reader of standard output has closed it (`skep … | head`); not a failure. */
export class OutputClosed extends Error {
  /** Name of the class, preserved in minified code. */
  override readonly name: string = "OutputClosed";
}

/** The {@linkcode Io} of this process; disposal removes its signal handlers. */
export interface ProcessIo extends Io, Disposable {
}

/** Connects a command with this process: standard output and error, environment, Ctrl-C. */
export function processIo(): ProcessIo {
  const encoder = new TextEncoder();
  const controller = new AbortController();
  // Decided per stream: `skep inspect x.o > file` still colours errors.
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
 * Wraps an {@linkcode Io} to escape control characters in all output, except our colours. Commands
 * escape names themselves; this is a second line of defence.
 */
export function guardedIo(io: Io): Io {
  return {
    ...io,
    out: (text) => io.out(terminalLines(text, io.colour)),
    error: (text) => io.error(terminalLines(text, io.errorColour)),
  };
}

/** Reads an environment variable; undefined without permission, and without a prompt. */
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
    // Some CI terminals report no size.
    return undefined;
  }
}
