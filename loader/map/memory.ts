/**
 * The memory of arrays and arenas.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { Mapping } from "../../kernel/mapping.ts";
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG } from "../../uapi/bpf_flags.ts";
import { roundUp } from "../../object/spec/map_rules.ts";
import { mapTypeTraits } from "../../object/spec/map_traits.ts";
import type { MapParts } from "./parts.ts";

/** Maps an array with BPF_F_MMAPABLE, or an arena, into this process. */
export function mapMemory(map: MapParts): Mapping {
  const { kernel, descriptor, name, flags, type, maxEntries, mapExtra } = map;
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
  const arena = mapTypeTraits(type).kind === "arena";
  const size = arena
    ? maxEntries * pageSize
    : roundUp(roundUp(map.valueSize, 8) * maxEntries, pageSize);
  const mapping = kernel.map(descriptor.fd, size, {
    writable: (flags & BPF_F_RDONLY_PROG) === 0,
    address: arena && mapExtra !== 0n ? mapExtra : undefined,
  });
  if (mapping instanceof Mapping) return mapping;
  throw new KernelError({ doing, subject: name, command: "mmap", number: mapping });
}
