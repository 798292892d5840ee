/**
 * Tests that need a kernel: skipped where it cannot be used, with the reason in the name, and checked
 * for descriptors left open.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { linuxKernel } from "../../kernel/linux.ts";
import { native } from "../../kernel/native.ts";

/** What a test needs besides CAP_BPF. */
export interface KernelNeeds {
  /** Effective user 0. */
  readonly root?: boolean;
  /** The kernel's version must be at least this: `"6.9"`. */
  readonly version?: string;
  /** Further capabilities by number, CAP_… of `linux/capability.h`. */
  readonly capabilities?: readonly number[];
  /** The tests' own condition: the reason why not, or `undefined`. */
  readonly unless?: () => string | undefined;
}

/** How a test runs. */
export interface KernelTestOptions {
  /** What it needs besides CAP_BPF. */
  readonly needs?: KernelNeeds;
  /** Does without CAP_BPF too: libc alone is enough. */
  readonly unprivileged?: boolean;
  /** Does not compare the number of blocks of kernel-facing memory. */
  readonly keepsMemory?: boolean;
}

const CAP_BPF = 39;
const CAP_SYS_ADMIN = 21;

let capabilities: bigint | undefined;

function effectiveCapabilities(): bigint {
  if (capabilities !== undefined) return capabilities;
  const status = new TextDecoder().decode(linuxKernel().readFile("/proc/self/status").bytes);
  return capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
}

/** Whether this process has a capability in its own user namespace. */
export function hasCapability(capability: number): boolean {
  return (effectiveCapabilities() >> BigInt(capability) & 1n) === 1n;
}

/** Whether the running kernel is at least `version`. */
export function kernelAtLeast(version: string): boolean {
  const numbers = (text: string): number[] => text.split(/[.-]/, 2).map((part) => parseInt(part));
  const [major = 0, minor = 0] = numbers(linuxKernel().machine.release);
  const [needMajor = 0, needMinor = 0] = numbers(version);
  return major > needMajor || major === needMajor && minor >= needMinor;
}

/** Why a kernel test cannot run here, or `undefined` when it can. */
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
  if (needs.version !== undefined && !kernelAtLeast(needs.version)) {
    return `needs Linux ${needs.version}, this is ${linuxKernel().machine.release}`;
  }
  return needs.unless?.();
}

/** The descriptors that this process has open, with what they lead to. */
export function openDescriptors(): Map<number, string> {
  const kernel = linuxKernel();
  const found = new Map<number, string>();
  for (const name of kernel.readDirectory("/proc/self/fd") ?? []) {
    const target = kernel.readLink(`/proc/self/fd/${name}`);
    // The one by which the directory was read is gone by now.
    if (target !== undefined) found.set(Number(name), target);
  }
  return found;
}

let warm: Promise<void> | undefined;

/** Opens what stays open for the life of the process, so that no test is charged for it. */
async function warmUp(): Promise<void> {
  const kernel = linuxKernel();
  const pipe = kernel.open("/proc/self/mounts");
  await kernel.poller.wait(pipe, { timeout: 1 });
  kernel.close(pipe);
}

/**
 * A test on the real kernel.
 *
 * Where it cannot run it is an ignored test, whose name ends in the reason. Where it runs, it fails
 * when it leaves a descriptor open, or kernel-facing memory unfreed.
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
  Deno.test(name, async () => {
    await (warm ??= warmUp());
    const before = openDescriptors();
    const blocks = native().memory.blocks;
    await fn();
    const after = openDescriptors();
    const left = [...after].filter(([fd]) => !before.has(fd)).map(([fd, to]) => `${fd}: ${to}`);
    assertEquals(left, [], "the test left descriptors open");
    assertEquals(after.size, before.size, "the test closed descriptors that were not its own");
    if (!options.keepsMemory) {
      assertEquals(native().memory.blocks, blocks, "the test left kernel-facing memory allocated");
    }
  });
}
