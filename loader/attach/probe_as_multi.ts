/**
 * Probes of the old kind in the form of multi probes: by a link of the kernel's own, which needs no perf
 * event and so no privilege beyond the loaded program.
 *
 * A program is attached so when it was loaded for it, by its expected attach type: with a token the
 * loader sees to that.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { attachError } from "./error.ts";
import { functionPlace, withExecutable } from "./executable.ts";
import type { KprobeOptions } from "./kprobe.ts";
import { attachKprobeMulti } from "./kprobe_multi.ts";
import type { AttachableProgram, Link } from "./link.ts";
import { requirePath, type UprobeOptions } from "./uprobe.ts";
import { attachUprobeMulti } from "./uprobe_multi.ts";

/** Whether a program was loaded for kprobe.multi. */
export function isKprobeMulti({ spec }: AttachableProgram): boolean {
  return spec.expectedAttachType === "trace_kprobe_multi";
}

/** Whether a program was loaded for uprobe.multi. */
export function isUprobeMulti({ spec }: AttachableProgram): boolean {
  return spec.expectedAttachType === "trace_uprobe_multi";
}

/** Attaches a program of a kprobe section with kprobe.multi. Minimum kernel: Linux 5.18. */
export function attachKprobeAsMulti(
  kernel: Kernel,
  program: AttachableProgram,
  options: KprobeOptions,
): Link {
  const { function: name, address, offset = 0, returns = false, cookie } = options;
  if (offset !== 0) {
    throw attachError(program.name, "kprobe.multi probes the beginning of functions only", {
      errno: "EINVAL",
      fix: 'leave the offset out, or load with rewrite: "never" and attach as root',
      data: { offset },
    });
  }
  if (name === undefined && address === undefined) {
    throw attachError(program.name, "no kernel function was given", {
      errno: "EINVAL",
      fix: 'attach({ function: "NAME" }), or name it in the section: kprobe/NAME',
    });
  }
  return attachKprobeMulti(kernel, program, {
    ...(name === undefined ? { addresses: [address as bigint] } : { functions: [name] }),
    ...(cookie === undefined ? {} : { cookies: [cookie] }),
    returns,
  });
}

/** Attaches a program of a uprobe section with uprobe.multi. Minimum kernel: Linux 6.6. */
export function attachUprobeAsMulti(
  kernel: Kernel,
  program: AttachableProgram,
  options: UprobeOptions,
): Link {
  const { function: name, version, offset = 0, returns = false, cookie, pid } = options;
  const path = requirePath(kernel, program, options.path);
  const start = name === undefined
    ? 0n
    : withExecutable(kernel, program.name, path, (file) =>
      functionPlace(program.name, file, name, version).offset);
  const counter = options.referenceCounterOffset;
  return attachUprobeMulti(kernel, program, {
    path,
    offsets: [start + BigInt(offset)],
    ...(cookie === undefined ? {} : { cookies: [cookie] }),
    ...(counter === undefined ? {} : { referenceCounterOffsets: [BigInt(counter)] }),
    ...(pid === undefined ? {} : { pid }),
    returns,
  });
}
