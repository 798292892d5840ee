/**
 * Constructor argument of live maps.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { Descriptor } from "../../kernel/descriptor.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Mapping } from "../../kernel/mapping.ts";
import type { MapSpec, VariableSpec } from "../../object/spec/spec.ts";

/** Properties that a live map is constructed from. */
export interface MapParts {
  /** The kernel that has the map. */
  readonly kernel: Kernel;
  /** The map's descriptor, which the live map takes ownership of. */
  readonly descriptor: Descriptor;
  /** The map's name in the object, or in the kernel for a map that was opened. */
  readonly name: string;
  /** The map type's number. */
  readonly type: number;
  /** Size of a key in bytes. */
  readonly keySize: number;
  /** Size of a value in bytes; of one CPU's value for per-CPU maps. */
  readonly valueSize: number;
  /** Largest number of elements; bytes of a ring buffer, pages of an arena. */
  readonly maxEntries: number;
  /** Flags (BPF_F_…) that the map was created with. */
  readonly flags: number;
  /** `map_extra`: hash functions of a bloom filter, address of an arena. */
  readonly mapExtra: bigint;
  /** The BTF that has the types of keys, values and records. */
  readonly btf?: Btf | undefined;
  /** Type id of the key; 0 for none. */
  readonly keyTypeId: number;
  /** Type id of the value; 0 for none. */
  readonly valueTypeId: number;
  /** The map's spec; undefined for a map that no object describes. */
  readonly spec?: MapSpec | undefined;
  /** Returns the variables of a data section; called on first use. */
  readonly variables?: (() => readonly VariableSpec[]) | undefined;
  /** An arena's memory, mapped by the load of its object. */
  readonly arena?: Mapping | undefined;
  /** Returns the type id of the records of a ring or perf buffer, 0 for none; called on first use. */
  readonly eventType?: (() => number) | undefined;
}
