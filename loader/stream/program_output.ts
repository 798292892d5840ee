/**
 * What programs print to their own output streams (`bpf_stream_printk`), and what the kernel prints
 * there when it stops a program.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { ReadOptions } from "./decoder.ts";
import { refused } from "./error.ts";
import { LineSplitter } from "./lines.ts";
import { pause } from "./event_loop.ts";
import { Errno, failed } from "../../uapi/errno.ts";

const STREAMS = { stdout: 1, stderr: 2 } as const;
const PIECE = 64 * 1024;

/** A program whose output is read. */
export interface OutputProgram {
  /** The program. */
  readonly fd: number;
  /** What messages call it. */
  readonly name: string;
}

/** What is there of a program's output, as bytes; empty when there is nothing. Reading takes it away. Minimum kernel: Linux 6.17. */
export function readProgramOutput(
  kernel: Kernel,
  program: OutputProgram,
  stream: "stdout" | "stderr",
): Uint8Array<ArrayBuffer> {
  const { result, bytes } = kernel.programStreamRead(program.fd, STREAMS[stream], PIECE);
  if (result < 0 && !failed(result, Errno.EAGAIN)) {
    throw refused(
      "read output of",
      program.name,
      "BPF_PROG_STREAM_READ_BY_FD",
      result,
      failed(result, Errno.EINVAL)
        ? "this kernel has no program output streams (Linux 6.17)"
        : undefined,
    );
  }
  return bytes;
}

/**
 * Lines of a program's output as they come, until the signal is aborted or the loop is left.
 *
 * The kernel tells nobody that there is something to read, so it is asked from time to time.
 */
export async function* programOutput(
  kernel: Kernel,
  program: OutputProgram,
  stream: "stdout" | "stderr",
  options: ReadOptions & {
    /** Milliseconds between questions. @default {100} */
    readonly interval?: number | undefined;
  } = {},
): AsyncGenerator<string, void, undefined> {
  const splitter = new LineSplitter();
  while (!options.signal?.aborted) {
    const bytes = readProgramOutput(kernel, program, stream);
    if (bytes.length > 0) yield* splitter.push(bytes);
    else await pause(options.interval ?? 100, options.signal);
  }
}
