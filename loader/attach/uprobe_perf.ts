/**
 * Attaches uprobes through perf events.
 *
 * @module
 */

import { attachError, checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import type { Link } from "./link.ts";
import { attachToPerfEvent, checkPerfOpen, eventSource, type PerfLinkOptions } from "./perf.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Options of a uprobe at a given offset. */
export interface UprobeWay extends PerfLinkOptions {
  /** Probes the return instead of the entry. @default {false} */
  readonly returns?: boolean | undefined;
  /** Process to probe: a process id, 0 for this process, or -1 for every process. @default {-1} */
  readonly pid?: number | undefined;
  /** File offset in bytes of a counter that the kernel increments while the probe exists. */
  readonly referenceCounterOffset?: number | undefined;
}

/** Attaches at an offset of a file, in bytes, through a perf event. */
export function attachUprobeAt(
  program: AttachableProgram,
  path: string,
  offset: bigint,
  target: string,
  options: UprobeWay,
): Link {
  const { kernel } = program;
  const type = eventSource(kernel, "uprobe");
  if (type === undefined) {
    throw attachError(
      program.name,
      "this kernel has no uprobe perf events (CONFIG_UPROBE_EVENTS)",
      {
        errno: "EOPNOTSUPP",
        fix: "use a uprobe.multi section",
        data: { target },
      },
    );
  }
  const counter = BigInt(options.referenceCounterOffset ?? 0) << 32n;
  const pid = options.pid ?? -1;
  const fd = kernel.perfEventOpen({
    type: type.number,
    config: (options.returns === true ? type.returns : 0n) | counter,
    name: path,
    offset,
    pid,
    cpu: pid < 0 ? 0 : -1,
  });
  checkAttach(failed(fd, Errno.EINVAL) ? fd : 0, program.name, "perf_event_open", {
    why:
      `no instruction of "${path}" starts at ${offset}, or its file system does not support uprobes`,
    data: { target, offset: String(offset) },
  });
  checkPerfOpen(fd, program.name, { target });
  const kind = options.returns === true ? "uretprobe" : "uprobe";
  return attachToPerfEvent(kernel, program, { fd, kind, target }, options);
}
