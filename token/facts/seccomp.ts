/**
 * Detects seccomp filters that deny bpf(2).
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { kernelAtLeast, processFacts, readText } from "./process.ts";

/** SECCOMP_MODE_FILTER, as in the line `Seccomp:` of /proc/PID/status. */
const MODE_FILTER = "2";

/** Returns whether seccomp filters apply to this thread; undefined when /proc cannot be read. */
export function hasSeccompFilter(kernel: Kernel): boolean | undefined {
  const status = readText(kernel, "/proc/thread-self/status") ??
    readText(kernel, "/proc/self/status") ?? "";
  const mode = /^Seccomp:\s*(\d)$/m.exec(status)?.[1];
  return mode === undefined ? undefined : mode === MODE_FILTER;
}

/**
 * Returns the `-errno` with which a seccomp filter denies a command of bpf(2); undefined when the command
 * reaches the kernel.
 *
 * Calls bpf(2) with attributes larger than any kernel accepts. The kernel returns E2BIG before any other
 * check, so another errno comes from a filter. Two results of kernels look alike and are excluded: ENOSYS
 * without CONFIG_BPF_SYSCALL, and EPERM before Linux 6.5 with `unprivileged_bpf_disabled` and without
 * CAP_BPF.
 */
export function seccompAnswer(kernel: Kernel, command: number): number | undefined {
  if (hasSeccompFilter(kernel) !== true) return undefined;
  const result = kernel.probeCommand(command);
  if (result >= 0 || failed(result, Errno.E2BIG)) return undefined;
  if (failed(result, Errno.ENOSYS) && !knowsBpf(kernel)) return undefined;
  if (failed(result, Errno.EPERM)) {
    const facts = processFacts(kernel);
    if (!kernelAtLeast(facts, 6, 5) && !facts.capabilities.includes("bpf")) return undefined;
  }
  return result;
}

/** Returns whether the kernel was built with bpf(2): it then registers the bpf file system. */
function knowsBpf(kernel: Kernel): boolean {
  return /^nodev\s+bpf$/m.test(readText(kernel, "/proc/filesystems") ?? "");
}
