/**
 * Uprobes: entry, return or any instruction of a function in an executable or library.
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

/** Where a uprobe goes. */
export interface UprobeOptions extends PerfLinkOptions {
  /** The file: a path, or a name that is looked for in PATH or among the libraries. */
  readonly path?: string | undefined;
  /** The function; without it `offset` is from the start of the file. */
  readonly function?: string | undefined;
  /** The function's version: `GLIBC_2.34`. */
  readonly version?: string | undefined;
  /** Bytes from the function's start, or from the file's. @default {0} */
  readonly offset?: number | undefined;
  /** On return instead of entry; the section says it. */
  readonly returns?: boolean | undefined;
  /** A process; 0 is this one, -1 all that run the file. @default {-1} */
  readonly pid?: number | undefined;
  /** Where in the file a counter stands that the kernel raises while the probe is there (a USDT semaphore). */
  readonly referenceCounterOffset?: number | undefined;
}

/** How programs attach to `uprobe` hooks. */
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
 * Attaches to a function of an executable or library, or to an instruction of one.
 *
 * A program that was loaded for uprobe.multi, as with a token, is attached by such a link, which needs no
 * perf event. Minimum kernel: Linux 4.17; a reference counter: 4.20.
 *
 * @throws AttachError, KernelError or DelegationError, as {@linkcode attachProgram}.
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
