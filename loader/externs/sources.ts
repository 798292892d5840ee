/**
 * The running kernel as a source of externs.
 *
 * @module
 */

import { gunzipSync } from "node:zlib";
import type { Btf } from "../../btf/btf.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { kernelVersion } from "./kernel_version.ts";
import type { ExternSources } from "./resolve.ts";

/** What is needed besides the kernel's files. */
export interface KernelSources {
  /** The running kernel. */
  readonly kernel: Kernel;
  /** vmlinux's types; asked for only by typed symbols and LINUX_HAS_… options. */
  readonly vmlinux: () => Btf;
  /** The modules' types. */
  readonly modules: () => Iterable<{ readonly name: string; readonly btf: Btf }>;
  /** The user's own configuration text. */
  readonly kconfigText?: string | undefined;
}

/** Bytes that a decompressed configuration may have: real ones have 0.3 MB. */
const CONFIGURATION_LIMIT = 16 << 20;

/** Makes the sources; nothing is read before an extern asks for it. */
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
      // Only kprobes on system calls see the wrapper, and libbpf asks by a kprobe: a kernel without them has
      // none to tell of. Where sysfs does not say so, the kernel's types do.
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

/** Whether sysfs lists the kernel's event sources, and kprobes are not among them. */
function lacksKprobes(kernel: Kernel): boolean {
  const has = (source: string): boolean =>
    kernel.readFile(`/sys/bus/event_source/devices/${source}/type`, 16).result >= 0;
  return has("software") && !has("kprobe");
}

/** The configuration from /boot, or from /proc/config.gz; either may be compressed. */
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
    // A plain view of Node's Buffer: their types are not each other's.
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
      why: "it is not a whole gzip file",
    }, { cause });
  }
}
