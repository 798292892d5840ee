/**
 * An {@linkcode Io} that records what a command prints.
 *
 * @module
 */

import { main } from "../../cli/mod.ts";
import type { Io } from "../../cli/io.ts";

/** What a command printed, and its exit status. */
export interface Printed {
  readonly status: number;
  readonly out: string;
  readonly error: string;
}

/** Runs a command line in this process. */
export async function skep(
  args: readonly string[],
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly onOut?: ((text: string) => void) | undefined;
  } = {},
): Promise<Printed> {
  let out = "";
  let error = "";
  const io: Io = {
    out: (text) => {
      out += text;
      options.onOut?.(text);
    },
    outBytes: (bytes) => out += new TextDecoder("latin1").decode(bytes),
    error: (text) => error += text,
    colour: false,
    errorColour: false,
    width: undefined,
    environment: () => undefined,
    signal: options.signal ?? new AbortController().signal,
  };
  const status = await main(args, io);
  return { status, out, error };
}
