/**
 * The memory of arrays and arenas, as far as this process may see it.
 *
 * @module
 */

import { disposedError } from "../../errors/disposed.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { Mapping } from "../../kernel/mapping.ts";
import { readable } from "../../kernel/read_only_mapping.ts";
import { roundUp } from "../../object/spec/map_rules.ts";
import { mapTypeTraits } from "../../object/spec/map_traits.ts";
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, BPF_F_SEGV_ON_FAULT } from "../../uapi/bpf_flags.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import type { MapParts } from "./parts.ts";

const DOING = "map the memory of";

/**
 * The memory of one map: shared with the programs where this process may write it, else a copy.
 *
 * The kernel maps what only programs may not write (BPF_F_RDONLY_PROG) and what is frozen for reading alone,
 * and a write would end the process: there a copy is given out, which each look at it refreshes.
 */
export class MapMemory implements Disposable {
  readonly #parts: MapParts;
  /** What the kernel shares. */
  #shared: Mapping | undefined;
  /** What is given out instead, where the shared memory is read-only. */
  #copy: Mapping | undefined;
  #writable = true;

  /** Maps nothing yet. */
  constructor(parts: MapParts) {
    this.#parts = parts;
    this.#shared = parts.arena;
  }

  /** Whether it can be mapped at all. */
  get mappable(): boolean {
    return this.#shared !== undefined || (this.#parts.flags & BPF_F_MMAPABLE) !== 0;
  }

  /** The memory, or a copy of it as it is now. */
  get mapping(): Mapping {
    const shared = this.shared;
    if (this.#writable) return shared;
    const copy = this.#copy ??= new Mapping(new ArrayBuffer(shared.size));
    copy.u8.set(shared.u8);
    return copy;
  }

  /** Whether this process may write it. */
  get writable(): boolean {
    void this.shared;
    return this.#writable;
  }

  /** The shared memory itself, for who writes only where it is {@linkcode writable}. */
  get shared(): Mapping {
    const { descriptor, name, flags } = this.#parts;
    if (descriptor.closed) throw disposedError(DOING, name);
    // A flag of arenas alone, which an object's load has mapped already for its programs.
    if ((flags & BPF_F_SEGV_ON_FAULT) !== 0) {
      throw refusal(
        name,
        "with BPF_F_SEGV_ON_FAULT, a look at a page that no program has allocated ends the process",
        "create the arena without BPF_F_SEGV_ON_FAULT",
      );
    }
    return this.#shared ??= this.#map();
  }

  /** Takes it from every view. */
  [Symbol.dispose](): void {
    this.#shared?.[Symbol.dispose]();
    this.#copy?.[Symbol.dispose]();
  }

  #map(): Mapping {
    const { kernel, descriptor, name, flags, type, maxEntries, valueSize, mapExtra } = this.#parts;
    if (!this.mappable) throw refusal(name, "it was created without BPF_F_MMAPABLE");
    const { pageSize } = kernel.machine;
    const arena = mapTypeTraits(type).kind === "arena";
    const size = arena
      ? maxEntries * pageSize
      : roundUp(roundUp(valueSize, 8) * maxEntries, pageSize);
    const address = arena && mapExtra !== 0n ? mapExtra : undefined;
    this.#writable = (flags & BPF_F_RDONLY_PROG) === 0;
    let mapping = kernel.map(descriptor.fd, size, {
      writable: this.#writable,
      inPlace: true,
      address,
    });
    // Frozen: by the object's load, or by anybody since.
    if (failed(mapping, Errno.EPERM) && this.#writable) {
      this.#writable = false;
      mapping = kernel.map(descriptor.fd, size, { inPlace: true });
    }
    if (mapping instanceof Mapping) return readable(mapping);
    throw new KernelError({ doing: DOING, subject: name, command: "mmap", result: mapping });
  }
}

function refusal(subject: string, why: string, fix?: string): SkepError {
  return new SkepError({ doing: DOING, subject, errno: "EINVAL", stage: "usage", why, fix });
}
