/**
 * The memory of arrays that can be mapped.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { Mapping } from "../../kernel/mapping.ts";
import { MapType } from "../../uapi/enums.ts";
import { roundUp } from "../../object/spec/map_rules.ts";
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG } from "../../uapi/bpf_flags.ts";

/** What mapping takes to know of a map. */
export interface MappableMap {
  /** The descriptor. */
  readonly fd: number;
  /** For messages. */
  readonly name: string;
  /** The number of its type. */
  readonly type: number;
  /** BPF_F_…. */
  readonly flags: number;
  /** Bytes of a value. */
  readonly valueSize: number;
  /** Most elements; pages of an arena. */
  readonly maxEntries: number;
  /** Per-type extra: where an arena lies, 0 for anywhere. */
  readonly mapExtra: bigint;
}

/** Maps an array with BPF_F_MMAPABLE, or an arena, into this process. */
export function mapMemory(kernel: Kernel, map: MappableMap): Mapping {
  const { fd, name, flags, type, maxEntries, mapExtra } = map;
  const doing = "map the memory of";
  if ((flags & BPF_F_MMAPABLE) === 0) {
    throw new SkepError({
      doing,
      subject: name,
      errno: "EINVAL",
      stage: "usage",
      why: "it was created without BPF_F_MMAPABLE",
    });
  }
  const { pageSize } = kernel.machine;
  const arena = type === MapType.arena;
  const size = arena
    ? maxEntries * pageSize
    : roundUp(roundUp(map.valueSize, 8) * maxEntries, pageSize);
  const mapping = kernel.map(fd, size, {
    writable: (flags & BPF_F_RDONLY_PROG) === 0,
    ...(arena && mapExtra !== 0n ? { address: mapExtra } : {}),
  });
  if (mapping instanceof Mapping) return mapping;
  throw new KernelError({ doing, subject: name, command: "mmap", number: mapping });
}
