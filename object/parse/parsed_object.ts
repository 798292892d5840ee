/**
 * Parse results that `ObjectSpec` does not show: what relocation and BTF preparation need of an object.
 *
 * @module
 */

import type { CodeUnit, CodeUnits } from "../code/functions.ts";
import type { PlacedSection } from "../spec/datasec.ts";
import type { MapDefinition } from "../spec/map_spec.ts";
import type { Externs } from "./externs.ts";
import type { ObjectSections } from "./sections.ts";
import type { ProgramSpec } from "../spec/spec.ts";

/** Parse results of one object that its spec does not show. */
export interface ParsedObject {
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
