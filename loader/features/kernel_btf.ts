/**
 * Reads the running kernel's BTF: vmlinux's and the modules', each on first use, once per {@linkcode Kernel}.
 *
 * vmlinux's BTF is mapped and indexed once; modules' BTF is read only for names that vmlinux lacks. Reads are
 * counted, so that a test can assert that an object without CO-RE reads none.
 *
 * @module
 */

import { readable } from "../../kernel/read_only_mapping.ts";
import { Btf } from "../../btf/btf.ts";
import { CoreTargets } from "../../btf/core/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { Mapping } from "../../kernel/mapping.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Directory in which the kernel publishes its BTF (Linux 5.4). */
const DIRECTORY = "/sys/kernel/btf";
/** Largest BTF id that is tried when BPF_BTF_GET_NEXT_ID is not permitted (it takes no token). */
const MOST_IDS = 1 << 16;

/** BTF of a kernel module. */
export interface ModuleBtf {
  /** The module's name. */
  readonly name: string;
  /** The module's split BTF, with vmlinux's as its base. */
  readonly btf: Btf;
}

/** BTF of one kernel and its modules. */
export class KernelTypes {
  readonly #kernel: Kernel;
  #vmlinux: Btf | undefined;
  #targets: CoreTargets | undefined;
  readonly #modules = new Map<string, ModuleBtf | undefined>();
  #moduleNames: readonly string[] | undefined;
  #reads = 0;

  /** Creates an empty index. Use {@linkcode kernelTypes}, which keeps one per kernel. */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Number of BTF files of the kernel that have been read. */
  get reads(): number {
    return this.#reads;
  }

  /**
   * BTF of vmlinux.
   *
   * @throws {SkepError} ESRCH when the kernel publishes none, in /sys or as a file in /boot.
   */
  get vmlinux(): Btf {
    return this.#vmlinux ??= this.#readVmlinux();
  }

  /** CO-RE targets: vmlinux's types, then the modules'. Candidates that were found are cached. */
  get targets(): CoreTargets {
    return this.#targets ??= new CoreTargets(this.vmlinux, {
      modules: () => this.#moduleBtfs(),
    });
  }

  /** Iterates over the modules that publish BTF, reading each when it is reached. Malformed BTF is skipped. */
  *modules(): Iterable<ModuleBtf> {
    this.#moduleNames ??= (this.#kernel.readDirectory(DIRECTORY) ?? [])
      .filter((name) => name !== "vmlinux").sort();
    for (const name of this.#moduleNames) {
      const module = this.module(name);
      if (module !== undefined) yield module;
    }
  }

  /** Returns a module's BTF by the module's name, or undefined when it has none that can be read and parsed. */
  module(name: string): ModuleBtf | undefined {
    if (!this.#modules.has(name)) this.#modules.set(name, this.#readModule(name));
    return this.#modules.get(name);
  }

  /**
   * Opens a module's BTF and returns its descriptor, which the caller owns, or undefined when no id that can be
   * opened is the module's.
   */
  openModule(name: string, tokenFd?: number): Descriptor | undefined {
    for (const id of this.#btfIds(tokenFd)) {
      const fd = this.#kernel.getFdById("btf", id, tokenFd);
      if (fd < 0) continue;
      const descriptor = new Descriptor(this.#kernel, fd);
      if (this.#isModule(descriptor.fd, name)) return descriptor;
      descriptor[Symbol.dispose]();
    }
    return undefined;
  }

  *#moduleBtfs(): Iterable<Btf> {
    for (const { btf } of this.modules()) yield btf;
  }

  /** Yields BTF ids; with a token that may not enumerate them (EPERM), yields every number up to a limit. */
  *#btfIds(tokenFd: number | undefined): Iterable<number> {
    let id = 0;
    while (true) {
      const next = this.#kernel.getNextId("btf", id);
      if (failed(next, Errno.EPERM) && id === 0 && tokenFd !== undefined) break;
      if (next < 0) return;
      yield id = next;
    }
    for (id = 1; id <= MOST_IDS; id++) yield id;
  }

  #isModule(fd: number, name: string): boolean {
    const info = this.#kernel.btfInfo(fd);
    return info.result >= 0 && info.kernel && info.name === name;
  }

  #readVmlinux(): Btf {
    for (const path of vmlinuxPaths(this.#kernel.machine.release)) {
      const bytes = this.#map(path);
      if (bytes === undefined) continue;
      this.#reads++;
      return Btf.parse(bytes, { name: "vmlinux", trusted: true });
    }
    throw new SkepError({
      doing: "read types of",
      subject: "the running kernel",
      errno: "ESRCH",
      stage: "btf",
      why: `it publishes no BTF in ${DIRECTORY}/vmlinux`,
      fix: "use a kernel with CONFIG_DEBUG_INFO_BTF=y, or name a BTF file (kernelBtf)",
    });
  }

  #readModule(name: string): ModuleBtf | undefined {
    const { result, bytes } = this.#kernel.readFile(`${DIRECTORY}/${name}`);
    if (result < 0) return undefined;
    this.#reads++;
    try {
      return { name, btf: Btf.parse(bytes, { base: this.vmlinux, name }) };
    } catch (error) {
      // One malformed module must not fail the load of objects that do not need it.
      if (error instanceof SkepError) return undefined;
      throw error;
    }
  }

  /**
   * Returns a file's bytes, mapped if the kernel supports it (Linux 6.16). The mapping lives as long as the
   * process.
   */
  #map(path: string): Uint8Array<ArrayBuffer> | undefined {
    const fd = this.#kernel.open(path);
    if (fd < 0) return undefined;
    using _closing = new Descriptor(this.#kernel, fd);
    const size = btfSize(this.#kernel.read(fd, 24).bytes);
    if (size !== undefined) {
      const mapping = this.#kernel.map(fd, size, { private: true, inPlace: true });
      if (mapping instanceof Mapping) return readable(mapping).u8.subarray(0, size);
    }
    const { result, bytes } = this.#kernel.readFile(path);
    return result < 0 ? undefined : bytes;
  }
}

/**
 * Returns the paths of raw vmlinux BTF in libbpf's order. libbpf also reads vmlinux ELF images; these are not
 * read here.
 */
function vmlinuxPaths(release: string): string[] {
  return [`${DIRECTORY}/vmlinux`, `/boot/vmlinux-${release}.btf`];
}

/** Returns the size in bytes of a BTF blob, from its header. */
function btfSize(header: Uint8Array): number | undefined {
  if (header.length < 24) return undefined;
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const little = view.getUint16(0, true) === 0xeb9f;
  const word = (at: number): number => view.getUint32(at, little);
  const types = word(8) + word(12);
  const strings = word(16) + word(20);
  return word(4) + Math.max(types, strings);
}

const perKernel = new WeakMap<Kernel, KernelTypes>();

/** Returns the BTF of a kernel; the same instance for the same {@linkcode Kernel}. */
export function kernelTypes(kernel: Kernel): KernelTypes {
  let types = perKernel.get(kernel);
  if (types === undefined) perKernel.set(kernel, types = new KernelTypes(kernel));
  return types;
}

/** Returns the kernel's vmlinux BTF, read once per {@linkcode Kernel}. */
export function kernelBtf(kernel: Kernel): Btf {
  return kernelTypes(kernel).vmlinux;
}

/** Returns the kernel's types as CO-RE targets; candidates that were found are cached. */
export function kernelCoreTargets(kernel: Kernel): CoreTargets {
  return kernelTypes(kernel).targets;
}
