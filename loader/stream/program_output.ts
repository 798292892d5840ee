/**
 * Reads a program's output streams, to which the program prints with `bpf_stream_printk` and the kernel writes
 * errors, such as when it terminates the program (Linux 6.17).
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
  /** The program's descriptor. */
  readonly fd: number;
  /** The name that errors show. */
  readonly name: string;
}

/**
 * Reads and consumes pending output of a program, at most 64 KiB. Returns an empty array when there is none.
 *
 * Needs BPF_PROG_STREAM_READ_BY_FD (Linux 6.17).
 *
 * @throws {KernelError} when the kernel refuses the read.
 */
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
 * Yields the lines of a program's output as they are written, until the signal is aborted or the loop is left.
 *
 * The kernel does not notify readers of output, so the stream is polled.
 *
 * @throws {KernelError} when the kernel refuses the read.
 */
export async function* programOutput(
  kernel: Kernel,
  program: OutputProgram,
  stream: "stdout" | "stderr",
  options: ReadOptions & {
    /** Polling interval in milliseconds. @default {100} */
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
