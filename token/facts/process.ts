/**
 * Reads the permissions of this process: the evidence of every explanation.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import {
  BPF_CAPABILITIES,
  type BpfCapability,
  CAPABILITY_NUMBERS,
} from "../../plan/bpf_capability.ts";
import { USER_NS_INIT_INO } from "../../uapi/processes.ts";

/** The inode of the initial user namespace (`PROC_USER_INIT_INO`), the same on every Linux. */
const INITIAL_USER_NAMESPACE = BigInt(USER_NS_INIT_INO);

/** The result of {@linkcode processFacts}. */
export interface ProcessFacts {
  /** The effective capabilities as a mask (CapEff); undefined when /proc cannot be read. */
  readonly effective: bigint | undefined;
  /** The effective capabilities among those that BPF requires. */
  readonly capabilities: readonly BpfCapability[];
  /** Inode of the user namespace; undefined when /proc cannot be read. */
  readonly userNamespace: bigint | undefined;
  /** Whether it is the initial user namespace; undefined when /proc cannot be read. */
  readonly initialUserNamespace: boolean | undefined;
  /** First line of uid_map with its spaces made single: `0 65534 1`. */
  readonly uidMap: string | undefined;
  /** Effective uid. */
  readonly uid: number | undefined;
  /** The kernel's version as numbers. */
  readonly release: readonly [major: number, minor: number];
  /** The kernel's release (`uname -r`). */
  readonly releaseText: string;
}

/** Reads the facts that every explanation starts from. */
export function processFacts(kernel: Kernel): ProcessFacts {
  const status = readText(kernel, "/proc/thread-self/status") ??
    readText(kernel, "/proc/self/status") ?? "";
  const effectiveText = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  const effective = effectiveText === undefined ? undefined : BigInt(`0x${effectiveText}`);
  const uidText = /^Uid:\s*\d+\s+(\d+)/m.exec(status)?.[1];
  const namespace = kernel.stat("/proc/self/ns/user");
  const userNamespace = namespace.result < 0 ? undefined : namespace.inode;
  const uidMap = readText(kernel, "/proc/self/uid_map")?.split("\n")[0]?.trim().replace(
    /\s+/g,
    " ",
  );
  return {
    effective,
    capabilities: BPF_CAPABILITIES.filter((name) => hasCapability(effective, name)),
    userNamespace,
    initialUserNamespace: userNamespace === undefined
      ? undefined
      : userNamespace === INITIAL_USER_NAMESPACE,
    uidMap,
    uid: uidText === undefined ? undefined : Number(uidText),
    release: parseRelease(kernel.machine.release),
    releaseText: kernel.machine.release,
  };
}

/** Returns whether a mask has the capability; false for an unknown mask. */
function hasCapability(effective: bigint | undefined, name: BpfCapability): boolean {
  return effective !== undefined && (effective >> BigInt(CAPABILITY_NUMBERS[name]) & 1n) === 1n;
}

/**
 * Returns whether the kernel has at least that version. Because distributions backport, false is not
 * conclusive.
 */
export function kernelAtLeast(facts: ProcessFacts, major: number, minor: number): boolean {
  const [has, hasMinor] = facts.release;
  return has > major || (has === major && hasMinor >= minor);
}

/** Returns `CAP_BPF, CAP_PERFMON`, or `none`. */
export function capabilityText(capabilities: readonly BpfCapability[]): string {
  return capabilities.map((name) => `CAP_${name.toUpperCase()}`).join(", ") || "none";
}

/** Returns a file's text; undefined when it cannot be read. */
export function readText(
  kernel: Kernel,
  path: string,
  limit: number = 1 << 20,
): string | undefined {
  const { result, bytes } = kernel.readFile(path, limit);
  return result < 0 ? undefined : new TextDecoder().decode(bytes);
}

/**
 * Returns the security modules in the order they are called, and the lockdown level; from securityfs, else
 * from the kernel's command line.
 */
export function localPolicy(
  kernel: Kernel,
): { readonly modules: readonly string[]; readonly lockdown: string | undefined } {
  const commandLine = readText(kernel, "/proc/cmdline") ?? "";
  const modules = readText(kernel, "/sys/kernel/security/lsm") ??
    /\blsm=(\S+)/.exec(commandLine)?.[1];
  const lockdown = /\[(\w+)\]/.exec(readText(kernel, "/sys/kernel/security/lockdown") ?? "") ??
    /\blockdown=(\w+)/.exec(commandLine);
  return { modules: modules?.trim().split(",") ?? [], lockdown: lockdown?.[1] };
}

function parseRelease(release: string): readonly [number, number] {
  const match = /^(\d+)\.(\d+)/.exec(release);
  return match === null ? [0, 0] : [Number(match[1]), Number(match[2])];
}
