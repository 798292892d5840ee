/**
 * Registers tests on the real kernel: skipped with a reason where they cannot run, and checked for
 * leaked descriptors.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { native } from "../../kernel/linux/ffi/native.ts";
import { kernelOption, whyUnavailable } from "../../loader/features/availability.ts";
import {
  isAtLeast,
  type LinuxVersion,
  type RequirementKind,
  requirementOf,
} from "../../loader/features/requirements.ts";
import { inTracefs, whyNoTracefs } from "./tracefs.ts";
import { CAP_BPF, CAP_SYS_ADMIN } from "../../uapi/processes.ts";

/** What a test needs in addition to CAP_BPF. */
export interface KernelNeeds {
  /** Effective uid 0. */
  readonly root?: boolean | undefined;
  /**
   * A feature, by kind and name in `loader/requirements.ts`: `["hook", "tcx"]`. The test is skipped
   * on a kernel that is too old or built without it; on any other it runs, and fails when the
   * feature is missing.
   */
  readonly feature?: readonly [RequirementKind, string] | undefined;
  /** Kernel configuration options that are not the subject of the test. */
  readonly built?: readonly string[] | undefined;
  /** Further features. */
  readonly features?: readonly (readonly [RequirementKind, string])[] | undefined;
  /** Further capabilities by number, CAP_… of `linux/capability.h`. */
  readonly capabilities?: readonly number[] | undefined;
  /** tracefs: the URL of the test's file, which is run again in a process with tracefs mounted. */
  readonly tracefs?: string | undefined;
  /** A condition of the test: returns the reason to skip, or undefined. */
  readonly unless?: (() => string | undefined) | undefined;
}

/** Options of a kernel test. */
export interface KernelTestOptions {
  /** What it needs in addition to CAP_BPF. */
  readonly needs?: KernelNeeds | undefined;
  /** Whether it also runs without CAP_BPF, with libc alone. */
  readonly unprivileged?: boolean | undefined;
  /** Whether to skip the check for leaked kernel memory blocks. */
  readonly keepsMemory?: boolean | undefined;
}

let capabilities: bigint | undefined;

function effectiveCapabilities(): bigint {
  if (capabilities !== undefined) return capabilities;
  const status = new TextDecoder().decode(linuxKernel().readFile("/proc/self/status").bytes);
  return capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
}

/** Returns whether this process has a capability in its user namespace. */
export function hasCapability(capability: number): boolean {
  return (effectiveCapabilities() >> BigInt(capability) & 1n) === 1n;
}

/** Returns whether the running kernel is at least `version`. */
export function kernelAtLeast(version: LinuxVersion): boolean {
  return isAtLeast(linuxKernel().machine.release, version);
}

/** Returns why a kernel test cannot run here; undefined when it can. */
export function reasonToSkip(options: KernelTestOptions = {}): string | undefined {
  if (Deno.build.os !== "linux") return "this is not Linux";
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return "needs --allow-ffi";
  const { needs = {}, unprivileged } = options;
  if (!unprivileged && !hasCapability(CAP_BPF) && !hasCapability(CAP_SYS_ADMIN)) {
    return "needs CAP_BPF";
  }
  if (needs.root) {
    const status = new TextDecoder().decode(linuxKernel().readFile("/proc/self/status").bytes);
    if (/^Uid:\s*\d+\s+(\d+)/m.exec(status)?.[1] !== "0") return "needs root";
  }
  for (const capability of needs.capabilities ?? []) {
    if (!hasCapability(capability)) return `needs capability ${capability}`;
  }
  for (
    const [kind, name] of [
      ...(needs.feature === undefined ? [] : [needs.feature]),
      ...needs.features ?? [],
    ]
  ) {
    const reason = missingFeature(kind, name);
    if (reason !== undefined) return reason;
  }
  const option = needs.built?.find((option) => kernelOption(linuxKernel(), option) === false);
  if (option !== undefined) return `needs ${option}, without which this kernel is built`;
  return needs.unless?.() ?? (needs.tracefs === undefined ? undefined : whyNoTracefs());
}

/**
 * Returns why this kernel may lack a feature of `loader/requirements.ts`; undefined when it must
 * have it.
 */
export function missingFeature(kind: RequirementKind, name: string): string | undefined {
  if (requirementOf(kind, name) === undefined) {
    throw new TypeError(`loader/requirements.ts has no ${kind} "${name}"`);
  }
  const found = whyUnavailable(linuxKernel(), kind, name);
  if (found === undefined) return undefined;
  const { release } = linuxKernel().machine;
  return found.linux !== undefined
    ? `needs Linux ${found.linux}, this is ${release}`
    : `needs ${found.option}, without which this kernel is built`;
}

/** Returns the open descriptors of this process with their targets. */
export function openDescriptors(): Map<number, string> {
  const kernel = linuxKernel();
  const found = new Map<number, string>();
  for (const name of kernel.readDirectory("/proc/self/fd") ?? []) {
    const target = kernel.readLink(`/proc/self/fd/${name}`);
    // The descriptor of the directory itself is closed by now.
    if (target !== undefined) found.set(Number(name), target);
  }
  return found;
}

let warm: Promise<void> | undefined;

/**
 * Opens descriptors that stay open for the life of the process, so that no test reports them as
 * leaks.
 */
async function warmUp(): Promise<void> {
  const kernel = linuxKernel();
  const pipe = kernel.open("/proc/self/mounts");
  await kernel.poller.wait(pipe, { timeout: 1 });
  kernel.close(pipe);
}

/**
 * Registers a test on the real kernel.
 *
 * Where it cannot run, it is an ignored test whose name ends in the reason. It fails when it leaks
 * a descriptor or a kernel memory block.
 */
export function kernelTest(
  name: string,
  options: KernelTestOptions | (() => void | Promise<void>),
  fn?: () => void | Promise<void>,
): void {
  if (typeof options === "function") return kernelTest(name, {}, options);
  if (fn === undefined) throw new TypeError(`Cannot test "${name}": there is no function`);
  const reason = reasonToSkip(options);
  if (reason !== undefined) {
    Deno.test({ name: `${name} [skipped: ${reason}]`, ignore: true, fn });
    return;
  }
  const tracefs = options.needs?.tracefs;
  Deno.test(name, async () => {
    await (warm ??= warmUp());
    const before = openDescriptors();
    const blocks = native().memory.blocks;
    if (tracefs === undefined) await fn();
    else await inTracefs(tracefs, name, fn);
    const after = openDescriptors();
    const left = [...after].filter(([fd]) => !before.has(fd)).map(([fd, to]) => `${fd}: ${to}`);
    assertEquals(left, [], "the test left descriptors open");
    assertEquals(after.size, before.size, "the test closed descriptors that were not its own");
    if (!options.keepsMemory) {
      assertEquals(native().memory.blocks, blocks, "the test left kernel-facing memory allocated");
    }
  });
}
