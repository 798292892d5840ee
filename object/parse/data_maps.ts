/**
 * Creates the maps of global data: one per data section, one for kconfig values, and the arena's globals.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { PlacedSection } from "../spec/datasec.ts";
import { openError } from "../spec/error.ts";
import { LONGEST_NAME, MapDefinition } from "../spec/map_spec.ts";
import { originTraits } from "../spec/map_traits.ts";
import type { ObjectSections } from "./sections.ts";
import type { MapOrigin } from "../spec/spec.ts";
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG } from "../../uapi/bpf_flags.ts";

/** Characters that libbpf reserves for a data section's name, even when it is shorter (`.bss`). */
const RESERVED_SUFFIX = 7;

/**
 * Returns the kernel name of a data map: as much of the object's name as fits, and the section's name; only
 * the section's name if that has a second dot.
 *
 * This is libbpf's rule (`internal_map_name()`), so that tools show the same names: `execsnoop` and
 * `.rodata` become `execsnoo.rodata`, `.data.custom_section` becomes `.data.custom_se`.
 */
export function dataMapName(objectName: string, section: string): string {
  const custom = section.indexOf(".", 1) >= 0;
  const reserved = Math.min(Math.max(RESERVED_SUFFIX, section.length), LONGEST_NAME);
  const prefix = custom ? "" : objectName.slice(0, LONGEST_NAME - reserved);
  return (prefix + section.slice(0, reserved)).replace(/[^A-Za-z0-9_.]/g, "_");
}

/** Input of {@linkcode readDataMaps}. */
export interface DataMapContext {
  /** The sections. */
  readonly sections: ObjectSections;
  /** Name of the object, at most 15 characters. */
  readonly objectName: string;
  /** The object's BTF. */
  readonly btf: Btf | undefined;
  /** Data sections of BTF. */
  readonly placed: readonly PlacedSection[];
  /** Size of all kconfig values in bytes. */
  readonly kconfigSize: number;
}

/** Returns the names of sections with a variable that is not static. */
function sectionsForOthers(placed: readonly PlacedSection[]): Set<string> {
  const seen = new Set<string>();
  const found = new Set<string>();
  for (const { name, variables } of placed) {
    if (seen.has(name)) continue;
    seen.add(name);
    if (variables.some(({ linkage }) => linkage !== "static")) found.add(name);
  }
  return found;
}

/** Creates the maps of data sections in order, then the map of kconfig values. */
export function readDataMaps(context: DataMapContext, firstIndex: number): MapDefinition[] {
  const maps: MapDefinition[] = [];
  const forOthers = sectionsForOthers(context.placed);
  for (const { section, kind } of context.sections.data) {
    maps.push(
      dataMap(context, forOthers, firstIndex + maps.length, kind, section.name, section.size, {
        sectionIndex: section.index,
        source: kind === "bss" ? undefined : section.data,
      }),
    );
  }
  if (context.kconfigSize > 0) {
    maps.push(dataMap(
      context,
      forOthers,
      firstIndex + maps.length,
      "kconfig",
      ".kconfig",
      context.kconfigSize,
      { sectionIndex: -1 },
    ));
  }
  return maps;
}

function dataMap(
  { objectName, btf }: DataMapContext,
  forOthers: ReadonlySet<string>,
  index: number,
  origin: MapOrigin,
  name: string,
  size: number,
  more: { readonly sectionIndex: number; readonly source?: Uint8Array | undefined },
): MapDefinition {
  const { constant } = originTraits[origin];
  return new MapDefinition({
    ...more,
    name,
    kernelName: dataMapName(objectName, name),
    origin,
    section: name,
    sectionOffset: 0,
    index,
    type: "array",
    keySize: 4,
    valueSize: size,
    maxEntries: 1,
    flags: (constant ? BPF_F_RDONLY_PROG : 0) |
      (isMappable(btf, forOthers, name) ? BPF_F_MMAPABLE : 0),
    valueTypeId: valueType(btf, name),
    contentsSize: size,
  });
}

/** Returns the first datasec of a name, or 0. */
function valueType(btf: Btf | undefined, name: string): number {
  return btf?.find(name, "datasec") ?? 0;
}

/** Returns whether the map gets BPF_F_MMAPABLE: it has a variable that is not static. */
function isMappable(btf: Btf | undefined, forOthers: ReadonlySet<string>, name: string): boolean {
  // kconfig variables are all extern, never static.
  if (name === ".kconfig") return valueType(btf, name) !== 0;
  return forOthers.has(name);
}

/**
 * Finds the arena among the maps and adds the object's arena globals to it.
 *
 * @throws {ObjectError} EINVAL for two arenas, ENOENT for arena globals without an arena, E2BIG when the
 * globals do not fit.
 */
export function readArena(
  { elf, arena: section }: ObjectSections,
  maps: MapDefinition[],
): MapDefinition | undefined {
  const [arena, second] = maps.filter(({ type }) => type === "arena");
  if (second !== undefined) {
    throw openError(elf.name, "EINVAL", `it has two arenas, ${arena?.name} and ${second.name}`);
  }
  if (section === undefined) return arena;
  if (arena === undefined) {
    throw openError(elf.name, "ENOENT", "it has arena globals, but no arena", {
      fix: "define a map of type BPF_MAP_TYPE_ARENA",
    });
  }
  const pages = Math.ceil(section.size / PAGE_SIZE);
  if (pages > arena.maxEntries) {
    throw openError(
      elf.name,
      "E2BIG",
      `its arena globals take ${pages} pages, but arena ${arena.name} has ${arena.maxEntries}`,
    );
  }
  const withGlobals = new MapDefinition({
    name: arena.name,
    origin: "arena",
    section: arena.section,
    sectionIndex: arena.sectionIndex,
    sectionOffset: arena.sectionOffset,
    index: arena.index,
    type: arena.type,
    keySize: arena.keySize,
    valueSize: arena.valueSize,
    maxEntries: arena.maxEntries,
    flags: arena.flags,
    numaNode: arena.numaNode,
    mapExtra: arena.mapExtra,
    pinning: arena.pinning,
    keyTypeId: arena.keyTypeId,
    valueTypeId: arena.valueTypeId,
    source: section.data,
    contentsSize: section.size,
  });
  maps[arena.index] = withGlobals;
  return withGlobals;
}

/** Size in bytes of the pages that an arena's max_entries counts. Machines with larger pages are not handled. */
const PAGE_SIZE = 4096;
