/**
 * Attaches to system calls: a kprobe on the architecture's entry function of the call.
 *
 * @module
 */

import type { KsyscallAttachSpec } from "../../object/section/attach_spec.ts";
import { nearestNames } from "../../object/spec/named.ts";
import type { AttachableProgram } from "./attachable.ts";
import { AttachError, attachError, noSuchTarget } from "./target/error.ts";
import { AttachMethod } from "./kind.ts";
import { attachToFunction, PROBE_WAYS } from "./kprobe.ts";
import type { Link } from "./link.ts";
import { kernelFunctions } from "./target/nearest.ts";
import { BOOLEAN, oneOf, TEXT } from "./options.ts";
import { PERF, type PerfLinkOptions } from "./perf.ts";

/** Attach options of ksyscall programs. */
export interface KsyscallOptions extends PerfLinkOptions {
  /** Name of the system call without a prefix: `"openat"`. */
  readonly syscall?: string | undefined;
  /** Attaches to the return instead of the entry. @default {as in the section} */
  readonly returns?: boolean | undefined;
  /** How the probe is created; see {@linkcode KprobeOptions.probe}. @default {"perf"} */
  readonly probe?: "perf" | "tracefs" | undefined;
}

/** Attach method for `ksyscall` hooks. */
export const ksyscall: AttachMethod<"ksyscall", KsyscallOptions> = new AttachMethod<
  "ksyscall",
  KsyscallOptions
>({
  kind: "ksyscall",
  options: {
    ...PERF,
    syscall: TEXT,
    returns: BOOLEAN,
    probe: oneOf(PROBE_WAYS),
  },
  attach,
});

/**
 * Attaches to a system call's entry or return. Minimum kernel: Linux 4.1 through tracefs, 4.17 by
 * perf_event_open.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachKsyscall } from "@skep/skep/attach";
 *
 * using link = attachKsyscall(object.programs.get("trace"), { syscall: "openat" });
 * ```
 */
export function attachKsyscall(program: AttachableProgram, options: KsyscallOptions = {}): Link {
  return ksyscall.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: KsyscallOptions,
  spec: KsyscallAttachSpec | undefined,
): Link {
  const { kernel } = program;
  const { syscall = spec?.syscall, returns = spec?.returns, probe, cookie, forceIoctl } = options;
  if (syscall === undefined) {
    throw attachError(program.name, "no system call was given", {
      errno: "EINVAL",
      fix: 'attach({ syscall: "openat" }), or name it in the section: ksyscall/openat',
    });
  }
  const wrapper = kernel.machine.machine === "aarch64" ? "__arm64_sys_" : "__x64_sys_";
  // Kernels before 4.17 have no wrapper named after the architecture.
  for (const prefix of [wrapper, "__se_sys_"]) {
    try {
      return attachToFunction(program, {
        function: prefix + syscall,
        returns,
        probe,
        cookie,
        forceIoctl,
      });
    } catch (error) {
      if (!(error instanceof AttachError) || error.errno !== "ENOENT") throw error;
    }
  }
  const names = kernelFunctions(kernel)
    .filter((name) => name.startsWith(wrapper)).map((name) => name.slice(wrapper.length));
  throw noSuchTarget(program.name, "system call", syscall, nearestNames(syscall, names));
}
