/**
 * Trampolines: what fentry, fexit, fmod_ret, LSM and freplace are attached by.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import { hookToken } from "./hooks.ts";
import { hasCapability, type KernelNeeds } from "./kernel.ts";
import { CAP_BPF } from "../../uapi/processes.ts";
import { Errno, failed } from "../../uapi/errno.ts";

const RETURN_ZERO = new Uint8Array([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);

/**
 * Why trampolines are not to be had although the kernel is built with them: a rule of the machine that
 * refuses them to a process with all capabilities too, before the verifier looks at anything.
 */
export function refusedByPolicy(): string | undefined {
  if (Deno.build.os !== "linux" || !hasCapability(CAP_BPF)) return undefined;
  // Below a token everything without it is refused: who started this process knows.
  if (hookToken !== false) return Deno.env.get("SKEP_NO_TRAMPOLINES");
  const kernel = linuxKernel();
  // Type 1 is no function: a kernel without such a rule answers EINVAL.
  const result = kernel.programLoadSync({
    type: 26,
    expectedAttachType: 24,
    attachBtfId: 1,
    instructions: RETURN_ZERO,
    license: "GPL",
  });
  if (result.result >= 0) kernel.close(result.result);
  return failed(result.result, Errno.EPERM)
    ? "this machine's kernel refuses trampolines to root (EPERM)"
    : undefined;
}

/** What tests with trampolines need. */
export const trampolines: KernelNeeds = {
  feature: ["hook", "fentry"],
  unless: refusedByPolicy,
};

/** The needs of a kind of trampoline of its own, by its name in `loader/requirements.ts`. */
export function trampolinesFor(
  hook: "fmod_ret" | "fsession" | "freplace" | "lsm" | "lsm_cgroup",
): KernelNeeds {
  return { ...trampolines, features: [["hook", hook]] };
}
