/**
 * Checks for trampolines, by which fentry, fexit, fmod_ret, LSM and freplace attach.
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
 * Returns why this machine refuses trampolines although the kernel is built with them: a local
 * policy that refuses them even with all capabilities, before the verifier runs.
 */
export function refusedByPolicy(): string | undefined {
  if (Deno.build.os !== "linux" || !hasCapability(CAP_BPF)) return undefined;
  // With only a token, the probe below would be refused anyway; the parent process passes the
  // answer.
  if (hookToken !== false) return Deno.env.get("SKEP_NO_TRAMPOLINES");
  const kernel = linuxKernel();
  // BTF type 1 is no function: a kernel without such a policy returns EINVAL.
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

/** Needs of tests with trampolines. */
export const trampolines: KernelNeeds = {
  feature: ["hook", "fentry"],
  unless: refusedByPolicy,
};

/** Needs of one kind of trampoline, by its name in `loader/requirements.ts`. */
export function trampolinesFor(
  hook: "fmod_ret" | "fsession" | "freplace" | "lsm" | "lsm_cgroup",
): KernelNeeds {
  return { ...trampolines, features: [["hook", hook]] };
}
