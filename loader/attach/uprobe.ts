/**
 * Attaches uprobes: to the entry, return or any instruction of a function in an executable or library.
 *
 * @module
 */

import type { UprobeAttachSpec } from "../../object/section/attach_spec.ts";
import { type AttachableProgram, loadedFor } from "./attachable.ts";
import { functionPlace, requirePath, withExecutable } from "./target/executable.ts";
import { AttachMethod } from "./kind.ts";
import type { Link } from "./link.ts";
import { BOOLEAN, INTEGER, TEXT } from "./options.ts";
import { PERF, type PerfLinkOptions, refusePerfOptions } from "./perf.ts";
import { attachToFile } from "./uprobe_multi.ts";
import { attachUprobeAt } from "./uprobe_perf.ts";

/** Attach options of uprobe programs. */
export interface UprobeOptions extends PerfLinkOptions {
  /** Executable or library: a path, or a bare name searched for in PATH or the library directories. */
  readonly path?: string | undefined;
  /** Name of the function. Without it, `offset` counts from the start of the file. */
  readonly function?: string | undefined;
  /** Symbol version of the function: `GLIBC_2.34`. */
  readonly version?: string | undefined;
  /** Offset from the start of the function, or of the file, in bytes. @default {as in the section, or 0} */
  readonly offset?: number | undefined;
  /** Attaches to the return instead of the entry. @default {as in the section} */
  readonly returns?: boolean | undefined;
  /** Process to probe: a process id, 0 for this process, or -1 for every process. @default {-1} */
  readonly pid?: number | undefined;
  /** File offset in bytes of a counter that the kernel increments while the probe exists (a USDT semaphore). */
  readonly referenceCounterOffset?: number | undefined;
}

/** Attach method for `uprobe` hooks. */
export const uprobe: AttachMethod<"uprobe", UprobeOptions> = new AttachMethod<
  "uprobe",
  UprobeOptions
>({
  kind: "uprobe",
  options: {
    ...PERF,
    path: TEXT,
    function: TEXT,
    version: TEXT,
    offset: INTEGER,
    returns: BOOLEAN,
    pid: INTEGER,
    referenceCounterOffset: INTEGER,
  },
  attach,
});

/**
 * Attaches to a function of an executable or library, or to an instruction within one.
 *
 * A program loaded for uprobe.multi (the token form) is attached by a uprobe.multi link, which needs no perf
 * event. Minimum kernel: Linux 4.17; 4.20 for a reference counter.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachUprobe } from "@skep/skep/attach";
 *
 * using link = attachUprobe(object.programs.get("trace"), { path: "libc.so.6", function: "malloc" });
 * ```
 */
export function attachUprobe(program: AttachableProgram, options: UprobeOptions = {}): Link {
  return uprobe.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: UprobeOptions,
  spec: UprobeAttachSpec | undefined,
): Link {
  const { kernel } = program;
  const {
    function: name = spec?.function,
    version = spec?.version,
    offset = spec?.offset ?? 0,
    returns = spec?.returns ?? false,
    cookie,
    forceIoctl,
    pid,
    referenceCounterOffset,
  } = options;
  const path = requirePath(kernel, program, options.path ?? spec?.path);
  const start = name === undefined
    ? 0n
    : withExecutable(kernel, program.name, path, (file) =>
      functionPlace(program.name, file, name, version).offset);
  const at = start + BigInt(offset);
  if (loadedFor(program) === "trace_uprobe_multi") {
    refusePerfOptions(program, "uprobe.multi", { forceIoctl });
    return attachToFile(program, {
      path,
      offsets: [at],
      cookies: cookie === undefined ? undefined : [cookie],
      referenceCounterOffsets: referenceCounterOffset === undefined
        ? undefined
        : [BigInt(referenceCounterOffset)],
      pid,
      returns,
    });
  }
  const target = `${path}:${name ?? ""}${offset === 0 ? "" : `+${offset}`}`;
  return attachUprobeAt(program, path, at, target, {
    returns,
    cookie,
    forceIoctl,
    pid,
    referenceCounterOffset,
  });
}
