/**
 * What this layer knows of an object beyond what its spec shows: for the linker and its like.
 *
 * @module
 */

import type { CodeUnit, CodeUnits } from "./code.ts";
import type { PlacedSection } from "./datasec.ts";
import type { MapDefinition } from "./map_spec.ts";
import type { ObjectSpec } from "./object_spec.ts";
import type { Externs } from "./parse_externs.ts";
import type { ObjectSections } from "./parse_sections.ts";
import type { ProgramSpec } from "./spec.ts";

/** What the linker, and whatever else in this layer puts an object together, knows of it. */
export interface ObjectParts {
  /** The sections. */
  readonly sections: ObjectSections;
  /** The functions. */
  readonly units: CodeUnits;
  /** The function of each entry program. */
  readonly unitOf: ReadonlyMap<ProgramSpec, CodeUnit>;
  /** The externs. */
  readonly externs: Externs;
  /** The maps in libbpf's order. */
  readonly maps: readonly MapDefinition[];
  /** BTF's data sections with all places known; empty without BTF. */
  readonly placed: readonly PlacedSection[];
}

const parts = new WeakMap<ObjectSpec, ObjectParts>();

/** Keeps an object's parts; called once, when it is parsed. */
export function setParts(spec: ObjectSpec, known: ObjectParts): void {
  parts.set(spec, known);
}

/** An object's parts. */
export function partsOf(spec: ObjectSpec): ObjectParts {
  return parts.get(spec) as ObjectParts;
}
