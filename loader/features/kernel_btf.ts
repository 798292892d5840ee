/**
 * The running kernel's types: one index per process and kernel, read when they are first needed.
 *
 * vmlinux BTF is mapped and indexed once; modules are looked for only when vmlinux does not have what is
 * asked for. How often anything was read is counted, so that a test can say that a plain object reads
 * nothing.
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

/** Where kernels publish their BTF. */
const DIRECTORY = "/sys/kernel/btf";
/** Ids that are tried when the kernel does not let them be enumerated (under a token). */
const MOST_IDS = 1 << 16;

/** A kernel module's types. */
export interface ModuleBtf {
  /** The module's name. */
  readonly name: string;
  /** Its types, on top of vmlinux's. */
  readonly btf: Btf;
}

/** The types of one kernel. */
export class KernelTypes {
  readonly #kernel: Kernel;
  #vmlinux: Btf | undefined;
  #targets: CoreTargets | undefined;
  readonly #modules = new Map<string, ModuleBtf | undefined>();
  #moduleNames: readonly string[] | undefined;
  #reads = 0;

  /** Reads nothing yet. Use {@linkcode kernelTypes}, which keeps one per kernel. */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** How many BTF files of the kernel have been read. */
  get reads(): number {
    return this.#reads;
  }

  /** vmlinux's types. Throws a {@linkcode SkepError} with ESRCH when the kernel publishes none. */
  get vmlinux(): Btf {
    return this.#vmlinux ??= this.#readVmlinux();
  }

  /** vmlinux's and, behind them, the modules' types as CO-RE targets, with the candidates found so far. */
  get targets(): CoreTargets {
    return this.#targets ??= new CoreTargets(this.vmlinux, {
      modules: () => this.#moduleBtfs(),
    });
  }

  /** The modules that publish types, each read when the iteration reaches it. A broken one is left out. */
  *modules(): Iterable<ModuleBtf> {
    this.#moduleNames ??= (this.#kernel.readDirectory(DIRECTORY) ?? [])
      .filter((name) => name !== "vmlinux").sort();
    for (const name of this.#moduleNames) {
      const module = this.module(name);
      if (module !== undefined) yield module;
    }
  }

  /** A module's types by its name, or undefined. */
  module(name: string): ModuleBtf | undefined {
    if (!this.#modules.has(name)) this.#modules.set(name, this.#readModule(name));
    return this.#modules.get(name);
  }

  /** A descriptor of a module's BTF, for the caller to own; undefined when the kernel gives none. */
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

  /** All BTF ids; by trying, where enumeration is refused. */
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
      // One broken module must not keep objects that do not need it from loading.
      if (error instanceof SkepError) return undefined;
      throw error;
    }
  }

  /** The file's bytes, mapped where the kernel allows it. The mapping stays for the process's life. */
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

/** Where libbpf looks for a kernel's BTF, in its order (the ELF images that it also reads are left out). */
function vmlinuxPaths(release: string): string[] {
  return [`${DIRECTORY}/vmlinux`, `/boot/vmlinux-${release}.btf`];
}

/** Bytes of a BTF blob by its header: the end of the strings, which come last. */
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

/** The types of a kernel: always the same index for one {@linkcode Kernel}. */
export function kernelTypes(kernel: Kernel): KernelTypes {
  let types = perKernel.get(kernel);
  if (types === undefined) perKernel.set(kernel, types = new KernelTypes(kernel));
  return types;
}

/** The kernel's vmlinux BTF, read once per process. */
export function kernelBtf(kernel: Kernel): Btf {
  return kernelTypes(kernel).vmlinux;
}

/** The kernel's types as CO-RE targets, with the candidates found so far. */
export function kernelCoreTargets(kernel: Kernel): CoreTargets {
  return kernelTypes(kernel).targets;
}
