/**
 * Parse results that are not shown on `ObjectSpec`; relocation and BTF preparation read them.
 *
 * @module
 */

import type { CodeUnit, CodeUnits } from "../code/functions.ts";
import type { PlacedSection } from "../spec/datasec.ts";
import type { MapDefinition } from "../spec/map_spec.ts";
import type { Externs } from "./externs.ts";
import type { ObjectSections } from "./sections.ts";
import type { ProgramSpec } from "../spec/spec.ts";

/** Parse results of one object that are not shown on its spec. */
export interface ParsedObject {
  /** The sections. */
  readonly sections: ObjectSections;
  /** The functions, sorted by section and start. */
  readonly units: CodeUnits;
  /** The function of each entry program. */
  readonly unitOf: ReadonlyMap<ProgramSpec, CodeUnit>;
  /** The externs. */
  readonly externs: Externs;
  /** The maps in libbpf's order. */
  readonly maps: readonly MapDefinition[];
  /** Data sections of BTF with all offsets resolved; empty without BTF. */
  readonly placed: readonly PlacedSection[];
}
