/**
 * System calls: a kprobe on whatever function this machine has for them.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { attachKprobeAsMulti, isKprobeMulti } from "./probe_as_multi.ts";
import { AttachError, attachError, noSuchTarget } from "./error.ts";
import { attachKprobe, type KprobeOptions } from "./kprobe.ts";
import type { AttachableProgram, Link } from "./link.ts";
import { kernelFunctions } from "./nearest.ts";
import { nearestNames } from "../../object/spec/named.ts";

/** Where a ksyscall program goes. */
export interface KsyscallOptions extends Omit<KprobeOptions, "function" | "offset" | "address"> {
  /** The system call's bare name: `"openat"`. */
  readonly syscall?: string;
}

/** Attaches to a system call's entry or return. Minimum kernel: as for kprobes. */
export function attachKsyscall(
  kernel: Kernel,
  program: AttachableProgram,
  options: KsyscallOptions,
): Link {
  const { syscall, ...rest } = options;
  if (syscall === undefined) {
    throw attachError(program.name, "no system call was given", {
      errno: "EINVAL",
      fix: 'attach({ syscall: "openat" }), or name it in the section: ksyscall/openat',
    });
  }
  const wrapper = kernel.machine.machine === "aarch64" ? "__arm64_sys_" : "__x64_sys_";
  const attach = isKprobeMulti(program) ? attachKprobeAsMulti : attachKprobe;
  // Kernels before 4.17 have no wrapper with the machine's name.
  for (const prefix of [wrapper, "__se_sys_"]) {
    try {
      return attach(kernel, program, { ...rest, function: prefix + syscall });
    } catch (error) {
      if (!(error instanceof AttachError) || error.errno !== "ENOENT") throw error;
    }
  }
  const names = kernelFunctions(kernel)
    .filter((name) => name.startsWith(wrapper)).map((name) => name.slice(wrapper.length));
  throw noSuchTarget(program.name, "system call", syscall, nearestNames(syscall, names));
}
