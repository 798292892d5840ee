/**
 * What a live map is made from.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { Descriptor } from "../../kernel/descriptor.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Mapping } from "../../kernel/mapping.ts";
import type { MapSpec, VariableSpec } from "../../object/spec/spec.ts";

/** What a live map is made from. */
export interface MapParts {
  /** The kernel. */
  readonly kernel: Kernel;
  /** Its descriptor, which the map will own. */
  readonly descriptor: Descriptor;
  /** The name in the object, or the kernel's. */
  readonly name: string;
  /** The number of its type. */
  readonly type: number;
  /** Bytes. */
  readonly keySize: number;
  /** Bytes. */
  readonly valueSize: number;
  /** Most elements. */
  readonly maxEntries: number;
  /** BPF_F_…. */
  readonly flags: number;
  /** Per-type extra. */
  readonly mapExtra: bigint;
  /** The BTF that the type ids are in. */
  readonly btf?: Btf | undefined;
  /** 0 for none. */
  readonly keyTypeId: number;
  /** 0 for none. */
  readonly valueTypeId: number;
  /** Its spec, when an object made it. */
  readonly spec?: MapSpec | undefined;
  /** The variables that a data section holds: asked for at first use. */
  readonly variables?: (() => readonly VariableSpec[]) | undefined;
  /** An arena's memory. */
  readonly arena?: Mapping | undefined;
  /** The type id of the records of a ring or perf buffer, 0 for none: asked for at first use. */
  readonly eventType?: (() => number) | undefined;
}
