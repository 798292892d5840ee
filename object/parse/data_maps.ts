/**
 * Maps that hold global data: one for each data section, one for kconfig values; and the arena's.
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

/** Bytes that libbpf leaves for a data section's name, even when it is shorter (`.bss`). */
const RESERVED_SUFFIX = 7;

/**
 * What the kernel is told as a data map's name: as much of the object's name as fits before the
 * section's, or the section's alone when it has a second dot.
 *
 * libbpf's rule, so that tools show the same names: `execsnoop` and `.rodata` make
 * `execsnoo.rodata`, `.data.custom_section` makes `.data.custom_se`.
 */
export function dataMapName(objectName: string, section: string): string {
  const custom = section.indexOf(".", 1) >= 0;
  const reserved = Math.min(Math.max(RESERVED_SUFFIX, section.length), LONGEST_NAME);
  const prefix = custom ? "" : objectName.slice(0, LONGEST_NAME - reserved);
  return (prefix + section.slice(0, reserved)).replace(/[^A-Za-z0-9_.]/g, "_");
}

/** What {@linkcode readDataMaps} needs to know about the object. */
export interface DataMapContext {
  /** The sections. */
  readonly sections: ObjectSections;
  /** As much as the kernel's names take of it. */
  readonly objectName: string;
  /** The object's BTF. */
  readonly btf: Btf | undefined;
  /** BTF's data sections. */
  readonly placed: readonly PlacedSection[];
  /** Bytes of kconfig values. */
  readonly kconfigSize: number;
}

/** Names of sections with a variable that is not static. */
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

/** Makes the maps of data sections in their order, then the one of kconfig values. */
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

/** libbpf takes the first type of the section's name, whatever its kind. */
function valueType(btf: Btf | undefined, name: string): number {
  return btf?.find(name, "datasec") ?? 0;
}

/** Whether somebody outside the object has a reason to map it: it has a variable that is not static. */
function isMappable(btf: Btf | undefined, forOthers: ReadonlySet<string>, name: string): boolean {
  // The values of externs are for everybody.
  if (name === ".kconfig") return valueType(btf, name) !== 0;
  return forOthers.has(name);
}

/**
 * Finds the arena among the maps and gives it the object's arena globals.
 *
 * @throws {ObjectError} EINVAL for two arenas, ENOENT for arena globals without an arena, E2BIG for
 * globals that do not fit.
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
    throw openError(elf.name, "ENOENT", "it has globals in an arena, but no arena", {
      fix: "define a map of type BPF_MAP_TYPE_ARENA",
    });
  }
  const pages = Math.ceil(section.size / PAGE_SIZE);
  if (pages > arena.maxEntries) {
    throw openError(
      elf.name,
      "E2BIG",
      `its arena globals take ${pages} pages, arena ${arena.name} has ${arena.maxEntries}`,
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

/** What arenas are counted in on every machine that has them with 4 KiB pages. */
const PAGE_SIZE = 4096;
