/**
 * Whether a seccomp filter, and not the kernel, refuses bpf(2).
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { kernelAtLeast, processFacts, readText } from "./process.ts";

/** SECCOMP_MODE_FILTER, as the line `Seccomp:` of /proc/PID/status has it. */
const MODE_FILTER = "2";

/** Whether filters of seccomp look at this thread's system calls; undefined where /proc does not tell. */
export function hasSeccompFilter(kernel: Kernel): boolean | undefined {
  const status = readText(kernel, "/proc/thread-self/status") ??
    readText(kernel, "/proc/self/status") ?? "";
  const mode = /^Seccomp:\s*(\d)$/m.exec(status)?.[1];
  return mode === undefined ? undefined : mode === MODE_FILTER;
}

/**
 * What a seccomp filter answers to a command of bpf(2): `-errno`, or undefined when the command reaches the
 * kernel.
 *
 * Asks with attributes of a size that no kernel takes. The kernel answers E2BIG before it looks at anything
 * else, so that another errno is a filter's. Three answers of kernels look like one: without CONFIG_BPF_SYSCALL
 * there is ENOSYS for everything; and until 6.5 EPERM came first where `unprivileged_bpf_disabled` is set and
 * CAP_BPF is missing.
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

/** Whether the kernel was built with bpf(2): it has the file system then. */
function knowsBpf(kernel: Kernel): boolean {
  return /^nodev\s+bpf$/m.test(readText(kernel, "/proc/filesystems") ?? "");
}
