/**
 * Reads the sources of externs from the running kernel.
 *
 * @module
 */

import { gunzipSync } from "node:zlib";
import type { Btf } from "../../btf/btf.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { kernelVersion } from "./kernel_version.ts";
import type { ExternSources } from "./resolve.ts";

/** Inputs of {@linkcode kernelSources}. */
export interface KernelSources {
  /** The running kernel. */
  readonly kernel: Kernel;
  /** Returns vmlinux's BTF. Called only for typed symbols and LINUX_HAS_… options. */
  readonly vmlinux: () => Btf;
  /** Returns the modules' BTF. */
  readonly modules: () => Iterable<{ readonly name: string; readonly btf: Btf }>;
  /** The user's kernel configuration, read before the kernel's. */
  readonly kconfigText?: string | undefined;
}

/** Largest decompressed configuration in bytes; a distribution's has about 0.3 MB. */
const CONFIGURATION_LIMIT = 16 << 20;

/** Creates the sources. Each is read when an extern first needs it. */
export function kernelSources(options: KernelSources): ExternSources {
  const { kernel, vmlinux, modules, kconfigText } = options;
  return {
    kconfigText,
    kconfig: () => readConfiguration(kernel),
    kernelVersion: () => {
      const { release, version } = kernel.machine;
      const signature = kernel.readFile("/proc/version_signature", 4096);
      return kernelVersion({
        release,
        version,
        signature: signature.result < 0 ? undefined : new TextDecoder().decode(signature.bytes),
      });
    },
    hasBpfCookie: () => {
      const id = vmlinux().find("bpf_func_id", ["enum", "enum64"]);
      const type = id === undefined ? undefined : vmlinux().type(id);
      return (type?.kind === "enum" || type?.kind === "enum64") &&
        type.values.some((value) => value.name === "BPF_FUNC_get_attach_cookie");
    },
    hasSyscallWrapper: () => {
      // libbpf detects the wrapper by attaching a kprobe, so it reports none on a kernel without kprobes.
      // Otherwise BTF shows whether the wrapper exists.
      if (lacksKprobes(kernel)) return false;
      const prefix = kernel.machine.machine === "aarch64" ? "arm64" : "x64";
      return vmlinux().find(`__${prefix}_sys_bpf`, "func") !== undefined;
    },
    kallsyms: () => {
      const { result, bytes } = kernel.readFile("/proc/kallsyms");
      return result < 0 ? undefined : bytes;
    },
    symbols: () => ({ vmlinux: vmlinux(), modules }),
  };
}

/** Returns whether sysfs lists perf event sources and kprobes are not among them. */
function lacksKprobes(kernel: Kernel): boolean {
  const has = (source: string): boolean =>
    kernel.readFile(`/sys/bus/event_source/devices/${source}/type`, 16).result >= 0;
  return has("software") && !has("kprobe");
}

/**
 * Reads the kernel's configuration from /boot, or from /proc/config.gz; either may be compressed. Returns
 * undefined when neither can be read.
 *
 * @throws {SkepError} EINVAL when a compressed configuration is malformed or too large.
 */
export function readConfiguration(
  kernel: Kernel,
): { readonly text: Uint8Array; readonly path: string } | undefined {
  for (const path of [`/boot/config-${kernel.machine.release}`, "/proc/config.gz"]) {
    const { result, bytes } = kernel.readFile(path, CONFIGURATION_LIMIT);
    if (result < 0) continue;
    const compressed = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return { text: compressed ? decompress(bytes, path) : bytes, path };
  }
  return undefined;
}

function decompress(bytes: Uint8Array, path: string): Uint8Array {
  try {
    // Node's Buffer is not assignable to Uint8Array<ArrayBuffer>, so return a plain view of it.
    const { buffer, byteOffset, length } = gunzipSync(bytes, {
      maxOutputLength: CONFIGURATION_LIMIT,
    });
    return new Uint8Array(buffer, byteOffset, length);
  } catch (cause) {
    throw new SkepError({
      doing: "read configuration",
      subject: path,
      errno: "EINVAL",
      stage: "relocate",
      why: "it is not a complete gzip file",
    }, { cause });
  }
}
