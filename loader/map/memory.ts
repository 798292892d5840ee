/**
 * Maps the memory of arrays and arenas into this process.
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
 * The memory of one map: shared with programs if this process may write it, else a copy.
 *
 * Maps with BPF_F_RDONLY_PROG and frozen maps are mapped read-only, and a write to such memory would end the process
 * with SIGSEGV. Callers get a copy of it instead, refreshed on each access.
 */
export class MapMemory implements Disposable {
  readonly #parts: MapParts;
  /** The mapping of the map's memory. */
  #shared: Mapping | undefined;
  /** The copy that callers get when the mapping is read-only. */
  #copy: Mapping | undefined;
  #writable = true;

  /** Creates the memory without mapping it; an arena of an object is already mapped. */
  constructor(parts: MapParts) {
    this.#parts = parts;
    this.#shared = parts.arena;
  }

  /** Whether the map's memory can be mapped. */
  get mappable(): boolean {
    return this.#shared !== undefined || (this.#parts.flags & BPF_F_MMAPABLE) !== 0;
  }

  /** The shared memory, or a fresh copy of it when it is read-only. */
  get mapping(): Mapping {
    const shared = this.shared;
    if (this.#writable) return shared;
    const copy = this.#copy ??= new Mapping(new ArrayBuffer(shared.size));
    copy.u8.set(shared.u8);
    return copy;
  }

  /** Whether this process may write the memory. Maps it on first access. */
  get writable(): boolean {
    void this.shared;
    return this.#writable;
  }

  /** The shared memory itself, for callers that check {@linkcode writable} before writing. */
  get shared(): Mapping {
    const { descriptor, name, flags } = this.#parts;
    if (descriptor.closed) throw disposedError(DOING, name);
    // Checked first, since an arena of an object is already mapped by the load.
    if ((flags & BPF_F_SEGV_ON_FAULT) !== 0) {
      throw refusal(
        name,
        "with BPF_F_SEGV_ON_FAULT, access to a page that no program has allocated ends the process",
        "create the arena without BPF_F_SEGV_ON_FAULT",
      );
    }
    return this.#shared ??= this.#map();
  }

  /** Unmaps the memory and detaches all views of it. */
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
    // The map is frozen, by the load of its object or later: map it read-only.
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
