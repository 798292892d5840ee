/**
 * The kernel's trace pipe: what programs print with `bpf_printk`.
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
 * Lines of the trace pipe as they come, of all programs of the machine, until the signal is aborted or
 * the loop is left. The pipe has one reader: what is read here nobody else sees.
 *
 * @param root Where tracefs is mounted.
 */
export async function* traceLines(
  kernel: Kernel,
  options: ReadOptions & {
    /** Where tracefs is mounted. @default {"/sys/kernel/tracing"} */
    readonly tracefs?: string | undefined;
    /** Milliseconds between questions. @default {100} */
    readonly interval?: number | undefined;
  } = {},
): AsyncGenerator<string, void, undefined> {
  const path = `${options.tracefs ?? "/sys/kernel/tracing"}/trace_pipe`;
  const fd = kernel.open(path, O_NONBLOCK);
  if (failed(fd, Errno.ENOENT)) {
    throw streamError(
      "read",
      path,
      "there is no tracefs here",
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
      // The kernel calls the pipe readable when its buffer is half full: earlier lines are asked for.
      else await waiter.ready({ signal: options.signal, timeout: options.interval ?? 100 });
    }
  } finally {
    waiter[Symbol.dispose]();
    kernel.close(fd);
  }
}
