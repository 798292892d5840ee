/**
 * System calls: a kprobe on whatever function this machine has for them.
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

/** Where a ksyscall program goes. */
export interface KsyscallOptions extends PerfLinkOptions {
  /** The system call's bare name: `"openat"`. */
  readonly syscall?: string | undefined;
  /** On return instead of entry; the section says it. */
  readonly returns?: boolean | undefined;
  /** As for kprobes. */
  readonly probe?: "perf" | "tracefs" | undefined;
}

/** How programs attach to `ksyscall` hooks. */
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
 * Attaches to a system call's entry or return. Minimum kernel: as for kprobes.
 *
 * @throws AttachError, KernelError or DelegationError, as {@linkcode attachProgram}.
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
  // Kernels before 4.17 have no wrapper with the machine's name.
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
