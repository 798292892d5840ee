/**
 * Raw tracepoints: a kernel tracepoint with its arguments as they are.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { attachError, checkAttach, noSuchTarget } from "./error.ts";
import { type AttachableProgram, Link } from "./link.ts";
import { nearestTracepoints } from "./nearest.ts";

/** Where a raw tracepoint program goes. */
export interface RawTracepointOptions {
  /** The tracepoint without its category: `"sched_switch"`. */
  readonly tracepoint?: string;
  /** What `bpf_get_attach_cookie` answers in the program (Linux 6.10). */
  readonly cookie?: bigint;
}

/** Attaches to a raw tracepoint, with BPF_RAW_TRACEPOINT_OPEN. Minimum kernel: Linux 4.17. */
export function attachRawTracepoint(
  kernel: Kernel,
  program: AttachableProgram,
  options: RawTracepointOptions,
): Link {
  const name = options.tracepoint;
  if (name === undefined) {
    throw attachError(program.name, "no tracepoint was given", {
      errno: "EINVAL",
      fix: 'attach({ tracepoint: "NAME" }), or name it in the section: raw_tp/NAME',
    });
  }
  const fd = kernel.rawTracepointOpen(program.fd, name, options.cookie);
  if (fd === -2) {
    throw noSuchTarget(program.name, "raw tracepoint", name, nearestTracepoints(kernel, name));
  }
  checkAttach(fd, program.name, "BPF_RAW_TRACEPOINT_OPEN", { data: { tracepoint: name } });
  return new Link(kernel, { kind: "raw_tracepoint", program: program.name, target: name, fd });
}
