/**
 * A compiled BPF object, parsed from its bytes.
 *
 * @module
 */

import { Btf } from "../btf/btf.ts";
import { BtfError } from "../btf/error.ts";
import { BtfExt } from "../btf/ext.ts";
import { ElfFile } from "../elf/elf.ts";
import { SectionType } from "../elf/constants.ts";
import type { CodeUnit } from "./code/functions.ts";
import { placeSections } from "./spec/datasec.ts";
import { ObjectError, openError } from "./spec/error.ts";
import { readLegacyMaps } from "./parse/legacy_maps.ts";
import { LONGEST_NAME, type MapJson } from "./spec/map_spec.ts";
import { NamedList } from "./spec/named.ts";
import { readArena, readDataMaps } from "./parse/data_maps.ts";
import { readExterns } from "./parse/externs.ts";
import { readMaps } from "./parse/maps.ts";
import { programSpec, readFunctions } from "./parse/programs.ts";
import { readRelocations } from "./parse/relocations.ts";
import { type ObjectSections, readSections } from "./parse/sections.ts";
import { readStructOps } from "./parse/struct_ops.ts";
import type { ParsedObject } from "./parse/parsed_object.ts";
import type {
  ExternSpec,
  MapSpec,
  Named,
  ProgramSpec,
  RelocationKind,
  VariableSpec,
} from "./spec/spec.ts";
import { readVariables, type VariableJson } from "./spec/variables.ts";
import { withoutUndefined } from "../errors/without_undefined.ts";

/** How {@linkcode ObjectSpec.parse} reads. */
export interface ParseOptions {
  /** The file's name or path; errors say it, and the kernel's names of data maps begin with it. */
  readonly name?: string | undefined;
  /** Take maps of the legacy `maps` section, as libbpf before 1.0 did. */
  readonly legacyMaps?: boolean | undefined;
  /** Pass over members of map definitions that are unknown. */
  readonly relaxedMaps?: boolean | undefined;
}

/** A subprogram: a function in `.text` that programs call. */
export interface SubprogramSpec {
  /** The function's name. */
  readonly name: string;
  /** Whether the verifier looks at it by itself: it is global and not hidden. */
  readonly global: boolean;
  /** Eight bytes each, little-endian, before any relocation. */
  readonly instructions: Uint8Array<ArrayBuffer>;
  /** Bytes from the start of `.text`. */
  readonly sectionOffset: number;
}

/** One ELF section, for people who look. */
export interface SectionSummary {
  /** The name. */
  readonly name: string;
  /** ELF's number of the type. */
  readonly type: number;
  /** ELF's flags. */
  readonly flags: number;
  /** Bytes. */
  readonly size: number;
}

/** One relocation of code, for people who look. */
export interface RelocationSummary {
  /** The function. */
  readonly function: string;
  /** Counted from the function's start. */
  readonly instruction: number;
  /** What it refers to. */
  readonly kind: RelocationKind;
  /** The map's, extern's or subprogram's name. */
  readonly target: string;
  /** Bytes from the start of the target, where that means something. */
  readonly offset: number;
}

/** Set by the class below: only it can see its private field. */
let readParsed: (spec: ObjectSpec) => ParsedObject | undefined;

/**
 * The parse results behind a spec.
 *
 * @throws {ObjectError} EINVAL for what no `ObjectSpec.parse()` of this module made: a copy of a spec's
 * fields, or a spec of a second copy of the package.
 */
export function parsedObject(spec: ObjectSpec): ParsedObject {
  const parsed = readParsed(spec);
  if (parsed !== undefined) return parsed;
  throw new ObjectError({
    doing: "read",
    subject: String(spec?.name ?? "object"),
    errno: "EINVAL",
    why: "it was not made by ObjectSpec.parse() of this copy of the package",
    fix: "parse the object's bytes with the ObjectSpec that belongs to this function",
  });
}

/**
 * A compiled BPF object as plain data: what can be known without any system call.
 *
 * The bytes are kept and must not change; edits (a variable's value, a map's size, a program's
 * `autoload`) are the spec's own.
 *
 * @example
 * ```ts ignore
 * import { ObjectSpec } from "@skep/skep";
 *
 * const response = await fetch("execsnoop.bpf.o");
 * const spec = ObjectSpec.parse(await response.bytes(), { name: "execsnoop.bpf.o" });
 * spec.variables.get("target_uid").set(1000);
 * spec.maps.get("events").maxEntries = 1 << 20;
 * console.log(spec.programs.names());
 * ```
 */
export class ObjectSpec {
  /** The file's name as it was given; `"object"` when none was. */
  readonly name: string;
  /** What libbpf calls the object: the file's name up to its first dot, at most 15 characters. */
  readonly objectName: string;
  /** The license; empty when the object has none. */
  readonly license: string;
  /** From the section `version`; 0 without one. */
  readonly kernelVersion: number;
  /** The byte order of the object; only one of the machine's own can be loaded there. */
  readonly littleEndian: boolean;
  /** The object's types. */
  readonly btf?: Btf | undefined;
  /** Functions, source lines and CO-RE relocations by instruction. */
  readonly btfExt?: BtfExt | undefined;
  /** Why the object's BTF is not used although it has some. */
  readonly btfProblem?: BtfError | undefined;
  /** Entry programs, by section and place. */
  readonly programs: Named<ProgramSpec>;
  /** Maps: those of `.maps` by place, then data sections, kconfig and struct_ops. */
  readonly maps: Named<MapSpec>;
  /** Externs, in the order in which libbpf numbers them. */
  readonly externs: readonly ExternSpec[];
  readonly #parsed: ParsedObject;
  #variables: Named<VariableSpec> | undefined;

  static {
    readParsed = (spec) => #parsed in spec ? spec.#parsed : undefined;
  }

  private constructor(bytes: Uint8Array, options: ParseOptions) {
    this.name = options.name ?? "object";
    const file = this.name.slice(this.name.lastIndexOf("/") + 1);
    this.objectName = (file.split(".", 1)[0] as string).slice(0, LONGEST_NAME);
    const elf = ElfFile.parse(bytes, this.name);
    this.littleEndian = elf.littleEndian;

    const sections = readSections(elf, options.legacyMaps === true);
    this.license = sections.license;
    this.kernelVersion = sections.kernelVersion;
    const units = readFunctions(sections);

    const { btf, btfExt, problem } = readBtf(sections);
    if (btf !== undefined) this.btf = btf;
    if (btfExt !== undefined) this.btfExt = btfExt;
    if (problem !== undefined) this.btfProblem = problem;
    const externs = readExterns(elf, btf);
    const placed = btf === undefined ? [] : placeSections(elf, btf);

    const defined = sections.maps === undefined || btf === undefined
      ? []
      : readMaps(elf, sections.maps, placed, btf, options.relaxedMaps === true);
    const maps = defined.map(({ map }) => map);
    if (sections.legacyMaps !== undefined) {
      maps.push(...readLegacyMaps(elf, sections.legacyMaps, maps.length));
    }
    const arena = readArena(sections, maps);
    const { objectName } = this;
    const { kconfigSize } = externs;
    maps.push(...readDataMaps({ sections, objectName, btf, placed, kconfigSize }, maps.length));
    for (const section of sections.structOps) {
      if (btf !== undefined) maps.push(...readStructOps(elf, section, placed, btf, maps.length));
    }

    readRelocations({ sections, units, externs, maps, defined, arena, btf });

    this.externs = externs.list;
    this.maps = new NamedList<MapSpec>("map", this.name, maps);
    const unitOf = new Map<ProgramSpec, CodeUnit>();
    for (const unit of units.all) {
      if (!units.isSubprogram(unit)) unitOf.set(programSpec(unit), unit);
    }
    this.programs = new NamedList<ProgramSpec>("program", this.name, [...unitOf.keys()]);
    this.#parsed = { sections, units, unitOf, externs, maps, placed };
  }

  /**
   * Parses an object.
   *
   * @throws {ElfError} when the bytes are no BPF object.
   * @throws {ObjectError} for what libbpf refuses when it opens an object, by the same errno.
   * @throws {BtfError} when its BTF is needed and malformed.
   */
  static parse(bytes: Uint8Array, options: ParseOptions = {}): ObjectSpec {
    return new ObjectSpec(bytes, options);
  }

  /** Global variables in their maps' order. */
  get variables(): Named<VariableSpec> {
    if (this.#variables === undefined) {
      const { sections: { elf }, maps, placed } = this.#parsed;
      const { btf, externs } = this;
      const variables = readVariables({ elf, btf, maps, placed, externs });
      this.#variables = new NamedList<VariableSpec>("variable", this.name, variables);
    }
    return this.#variables;
  }

  /** Functions in `.text`, by place. */
  get subprograms(): Named<SubprogramSpec> {
    const { units } = this.#parsed;
    return new NamedList<SubprogramSpec>(
      "subprogram",
      this.name,
      units.all.filter((unit) => units.isSubprogram(unit)).map((unit) => ({
        name: unit.name,
        global: unit.global && !unit.hidden,
        instructions: unit.code,
        sectionOffset: unit.start * 8,
      })),
    );
  }

  /** All ELF sections in their order, without the empty first one. */
  get sections(): readonly SectionSummary[] {
    return this.#parsed.sections.elf.sections
      .filter(({ type }) => type !== SectionType.null)
      .map(({ name, type, flags, size }) => ({ name, type, flags, size }));
  }

  /** The relocations of all functions, in their order. */
  get relocations(): readonly RelocationSummary[] {
    const { units, maps, externs } = this.#parsed;
    return units.all.flatMap((unit) =>
      unit.relocations.map(({ instruction, kind, target, offset }) => ({
        function: unit.name,
        instruction,
        kind,
        target: kind === "map" || kind === "data"
          ? maps[target]?.name ?? ""
          : kind === "extern" || kind === "extern-call"
          ? externs.list[target]?.name ?? ""
          : kind === "jumptable"
          ? ".jumptables"
          : ".text",
        offset,
      }))
    );
  }

  /** The object as plain JSON, the same on every machine. */
  toJSON(): ObjectJson {
    return {
      name: this.name,
      license: this.license,
      kernelVersion: this.kernelVersion,
      littleEndian: this.littleEndian,
      sections: this.sections,
      programs: [...this.programs].map(programJson),
      subprograms: [...this.subprograms].map(({ name, global, instructions }) => ({
        name,
        global,
        instructions: instructions.length / 8,
      })),
      maps: this.#parsed.maps.map((map) => map.toJSON()),
      variables: JSON.parse(JSON.stringify([...this.variables])) as VariableJson[],
      externs: this.externs,
      relocations: this.relocations,
    };
  }
}

function programJson(program: ProgramSpec): ProgramJson {
  return withoutUndefined({
    name: program.name,
    section: program.section,
    type: program.type,
    expectedAttachType: program.expectedAttachType,
    flags: program.flags,
    attach: program.attach,
    autoload: program.autoload,
    autoattach: program.autoattach,
    instructions: program.instructions.length / 8,
  });
}

/** A program as JSON. */
export interface ProgramJson extends
  Pick<
    ProgramSpec,
    "name" | "section" | "type" | "flags" | "attach" | "autoload" | "autoattach"
  > {
  /** The kernel's name of the expected attach type. */
  readonly expectedAttachType?: string;
  /** Number of instructions before linking. */
  readonly instructions: number;
}

/** An object as JSON. */
export interface ObjectJson {
  /** See {@linkcode ObjectSpec}. */
  readonly name: string;
  /** See {@linkcode ObjectSpec}. */
  readonly license: string;
  /** See {@linkcode ObjectSpec}. */
  readonly kernelVersion: number;
  /** See {@linkcode ObjectSpec}. */
  readonly littleEndian: boolean;
  /** See {@linkcode ObjectSpec}. */
  readonly sections: readonly SectionSummary[];
  /** Entry programs. */
  readonly programs: readonly ProgramJson[];
  /** Functions in `.text`, with their numbers of instructions. */
  readonly subprograms: readonly {
    readonly name: string;
    readonly global: boolean;
    readonly instructions: number;
  }[];
  /** Maps. */
  readonly maps: readonly MapJson[];
  /** Global variables. */
  readonly variables: readonly VariableJson[];
  /** Externs. */
  readonly externs: readonly ExternSpec[];
  /** Relocations of code. */
  readonly relocations: readonly RelocationSummary[];
}

/**
 * Parses BTF where there is some.
 *
 * Malformed BTF is passed over when nothing in the object needs it, as libbpf does; the problem is
 * kept for those who ask.
 */
function readBtf(sections: ObjectSections): {
  readonly btf?: Btf | undefined;
  readonly btfExt?: BtfExt | undefined;
  readonly problem?: BtfError | undefined;
} {
  const { elf } = sections;
  const needed = sections.maps !== undefined || sections.structOps.length > 0;
  if (sections.btf === undefined) {
    if (!needed) return {};
    throw openError(elf.name, "ENOENT", "it has no BTF, and its maps need it", {
      fix: "compile with clang -g",
    });
  }
  const name = `BTF of ${elf.name}`;
  let btf: Btf;
  try {
    btf = Btf.parse(sections.btf.data, { name });
  } catch (problem) {
    if (needed || !(problem instanceof BtfError)) throw problem;
    return { problem };
  }
  if (sections.btfExt === undefined) return { btf };
  try {
    return { btf, btfExt: BtfExt.parse(sections.btfExt.data, btf) };
  } catch (problem) {
    if (!(problem instanceof BtfError)) throw problem;
    return { btf, problem };
  }
}
