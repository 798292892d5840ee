/**
 * Uprobes: entry, return or any instruction of a function in an executable or library.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { attachError, checkAttach } from "./error.ts";
import { findExecutable, functionPlace, withExecutable } from "./executable.ts";
import { eventSource } from "./kprobe.ts";
import type { AttachableProgram, Link } from "./link.ts";
import { attachToPerfEvent, checkPerfOpen, type PerfLinkOptions } from "./perf.ts";

/** Where a uprobe goes. */
export interface UprobeOptions extends PerfLinkOptions {
  /** The file: a path, or a name that is looked for in PATH or among the libraries. */
  readonly path?: string;
  /** The function; without it `offset` is from the start of the file. */
  readonly function?: string;
  /** The function's version: `GLIBC_2.34`. */
  readonly version?: string;
  /** Bytes from the function's start, or from the file's. @default {0} */
  readonly offset?: number;
  /** On return instead of entry; the section says it. */
  readonly returns?: boolean;
  /** A process; 0 is this one, -1 all that run the file. @default {-1} */
  readonly pid?: number;
  /** Where in the file a counter stands that the kernel raises while the probe is there (a USDT semaphore). */
  readonly referenceCounterOffset?: number;
}

/** Attaches to a function of a file. Minimum kernel: Linux 4.17; a reference counter: 4.20. */
export function attachUprobe(
  kernel: Kernel,
  program: AttachableProgram,
  options: UprobeOptions,
): Link {
  const { function: name, version, offset = 0, returns = false } = options;
  const path = requirePath(kernel, program, options.path);
  const start = name === undefined
    ? 0n
    : withExecutable(kernel, program.name, path, (file) =>
      functionPlace(program.name, file, name, version).offset);
  const plus = offset === 0 ? "" : `+${offset}`;
  const target = `${path}:${name ?? ""}${plus}`;
  return attachUprobeAt(kernel, program, path, start + BigInt(offset), target, {
    ...options,
    returns,
  });
}

/** Attaches at an offset of a file, by way of a perf event. */
export function attachUprobeAt(
  kernel: Kernel,
  program: AttachableProgram,
  path: string,
  offset: bigint,
  target: string,
  options: UprobeOptions,
): Link {
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
  checkAttach(fd === -22 ? fd : 0, program.name, "perf_event_open", {
    why:
      `no instruction of "${path}" begins at ${offset}, or the file system does not allow uprobes`,
    data: { target, offset: String(offset) },
  });
  checkPerfOpen(fd, program.name, { target });
  const kind = options.returns === true ? "uretprobe" : "uprobe";
  return attachToPerfEvent(kernel, program, { fd, kind, target }, options);
}

/** The path that was given, found where it is a bare name. */
export function requirePath(
  kernel: Kernel,
  program: AttachableProgram,
  path: string | undefined,
): string {
  if (path !== undefined) return findExecutable(kernel, program.name, path);
  throw attachError(program.name, "no executable or library was given", {
    errno: "EINVAL",
    fix:
      'attach({ path: "libc.so.6", function: "malloc" }), or name it in the section: uprobe/PATH:FUNCTION',
  });
}
