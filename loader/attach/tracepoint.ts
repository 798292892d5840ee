/**
 * Tracepoints, by way of a perf event.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { attachError, checkAttach, noSuchTarget } from "./error.ts";
import type { AttachableProgram, Link } from "./link.ts";
import { nearestEvents, tracefs } from "./nearest.ts";
import { attachToPerfEvent, checkPerfOpen, type PerfLinkOptions } from "./perf.ts";
import { PERF_TYPE_TRACEPOINT } from "../../uapi/perf.ts";

/** Where a tracepoint program goes. */
export interface TracepointOptions extends PerfLinkOptions {
  /** `sched` of `sched/sched_switch`. */
  readonly category?: string;
  /** `sched_switch`; with its category in front, `category` can be left out. */
  readonly tracepoint?: string;
}

/** Attaches to a tracepoint. Needs a tracefs that can be read. Minimum kernel: Linux 4.7. */
export function attachTracepoint(
  kernel: Kernel,
  program: AttachableProgram,
  options: TracepointOptions,
): Link {
  const { category, name } = split(program.name, options);
  const target = `${category}/${name}`;
  const root = tracefs(kernel);
  if (root === undefined) {
    throw attachError(program.name, "the list of tracepoints (tracefs) cannot be read", {
      errno: "ENOENT",
      fix: "mount -t tracefs tracefs /sys/kernel/tracing, or use a raw_tp or tp_btf section",
      data: { target },
    });
  }
  const file = kernel.readFile(`${root}/events/${target}/id`);
  if (file.result === -2) {
    throw noSuchTarget(
      program.name,
      "tracepoint",
      target,
      nearestEvents(kernel, category, name),
    );
  }
  checkAttach(file.result, program.name, "read", { data: { path: `${root}/events/${target}/id` } });
  const id = Number(new TextDecoder().decode(file.bytes).trim());
  const fd = kernel.perfEventOpen({
    type: PERF_TYPE_TRACEPOINT,
    config: BigInt(id),
    pid: -1,
    cpu: 0,
  });
  checkPerfOpen(fd, program.name, { target });
  return attachToPerfEvent(kernel, program, { fd, kind: "tracepoint", target }, options);
}

function split(
  program: string,
  options: TracepointOptions,
): { readonly category: string; readonly name: string } {
  const { category, tracepoint } = options;
  if (tracepoint !== undefined && category !== undefined) return { category, name: tracepoint };
  const slash = tracepoint?.indexOf("/") ?? -1;
  if (tracepoint === undefined || slash <= 0) {
    throw attachError(program, "no tracepoint was given as category/name", {
      errno: "EINVAL",
      fix: 'attach({ tracepoint: "sched/sched_switch" })',
    });
  }
  return { category: tracepoint.slice(0, slash), name: tracepoint.slice(slash + 1) };
}
