/**
 * Reads the kernel's trace pipe, to which programs print with `bpf_printk`.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { ReadOptions } from "./decoder.ts";
import { refused, streamError } from "./error.ts";
import { LineSplitter } from "./lines.ts";
import { Waiter } from "./waiter.ts";
import { O_NONBLOCK } from "../../uapi/files.ts";
import { Errno, failed } from "../../uapi/errno.ts";

const PIECE = 64 * 1024;

/**
 * Yields the lines of the trace pipe as they are written, until the signal is aborted or the loop is left.
 *
 * The pipe contains the output of all programs of the machine, and reading consumes it: other readers do not see
 * lines that are read here.
 *
 * @param kernel The kernel whose trace pipe is read.
 * @throws {SkepError} when tracefs is not mounted.
 * @throws {KernelError} when the pipe cannot be opened or read.
 */
export async function* traceLines(
  kernel: Kernel,
  options: ReadOptions & {
    /** Mount point of tracefs. @default {"/sys/kernel/tracing"} */
    readonly tracefs?: string | undefined;
    /** Polling interval in milliseconds. @default {100} */
    readonly interval?: number | undefined;
  } = {},
): AsyncGenerator<string, void, undefined> {
  const path = `${options.tracefs ?? "/sys/kernel/tracing"}/trace_pipe`;
  const fd = kernel.open(path, O_NONBLOCK);
  if (failed(fd, Errno.ENOENT)) {
    throw streamError(
      "read",
      path,
      "tracefs is not mounted there",
      "mount -t tracefs tracefs /sys/kernel/tracing",
    );
  }
  if (fd < 0) throw refused("read", path, "open", fd);
  const splitter = new LineSplitter();
  const waiter = new Waiter(kernel, fd);
  try {
    while (!options.signal?.aborted) {
      const { result, bytes } = kernel.read(fd, PIECE);
      if (result < 0 && !failed(result, Errno.EAGAIN)) throw refused("read", path, "read", result);
      if (bytes.length > 0) yield* splitter.push(bytes);
      // The kernel wakes a waiter only when the buffer is half full (buffer_percent), so poll for earlier lines.
      else await waiter.ready({ signal: options.signal, timeout: options.interval ?? 100 });
    }
  } finally {
    waiter[Symbol.dispose]();
    kernel.close(fd);
  }
}
