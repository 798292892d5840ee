/**
 * Parses a compiled BPF object from its bytes.
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

/** Options of {@linkcode ObjectSpec.parse}. */
export interface ParseOptions {
  /** File name or path: the subject of errors, and the prefix of data map names in the kernel. @default {"object"} */
  readonly name?: string | undefined;
  /** Accepts maps of the legacy `maps` section, as libbpf before 1.0 did. @default {false} */
  readonly legacyMaps?: boolean | undefined;
  /** Ignores unknown members of map definitions. @default {false} */
  readonly relaxedMaps?: boolean | undefined;
}

/** A subprogram: a function in `.text` that programs call. */
export interface SubprogramSpec {
  /** Name of the function. */
  readonly name: string;
  /** Whether it is global and not hidden, so that the verifier checks it separately from its callers. */
  readonly global: boolean;
  /** Instructions of eight bytes each, little-endian, before relocation. */
  readonly instructions: Uint8Array<ArrayBuffer>;
  /** Offset in `.text` in bytes. */
  readonly sectionOffset: number;
}

/** Summary of an ELF section. */
export interface SectionSummary {
  /** Name of the section. */
  readonly name: string;
  /** ELF section type (`sh_type`). */
  readonly type: number;
  /** ELF section flags (`sh_flags`). */
  readonly flags: number;
  /** Size in bytes. */
  readonly size: number;
}

/** Summary of a relocation of code. */
export interface RelocationSummary {
  /** Name of the function. */
  readonly function: string;
  /** Index of the instruction in the function. */
  readonly instruction: number;
  /** Kind of reference. */
  readonly kind: RelocationKind;
  /** Name of the map or extern; `.text` or `.jumptables` for other kinds. */
  readonly target: string;
  /** Offset of the referenced symbol in its section in bytes; 0 for maps and externs. */
  readonly offset: number;
}

/** Reads the private field of ObjectSpec; set by its static block. */
let readParsed: (spec: ObjectSpec) => ParsedObject | undefined;

/**
 * Returns the parse results of a spec.
 *
 * @throws {ObjectError} EINVAL for a spec that `ObjectSpec.parse()` of this module did not create: a copy of
 * a spec's fields, or a spec of a second copy of the package.
 */
export function parsedObject(spec: ObjectSpec): ParsedObject {
  const parsed = readParsed(spec);
  if (parsed !== undefined) return parsed;
  throw new ObjectError({
    doing: "read",
    subject: String(spec?.name ?? "object"),
    errno: "EINVAL",
    why: "it was not created by ObjectSpec.parse() of this copy of the package",
    fix: "parse the object with ObjectSpec of the same copy of the package",
  });
}

/**
 * A compiled BPF object as plain data, parsed without any system call.
 *
 * The spec refers to the bytes it was parsed from, which must not change. Edits (a variable's value, a map's
 * size, a program's `autoload`) are stored in the spec.
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
  /** File name as given to `parse()`; `"object"` when none was. */
  readonly name: string;
  /** libbpf's name of the object: the file's base name up to its first dot, at most 15 characters. */
  readonly objectName: string;
  /** License; empty when the object has none. */
  readonly license: string;
  /** Kernel version from the section `version`; 0 without one. */
  readonly kernelVersion: number;
  /** Byte order of the object. It must be the machine's for the object to be loaded. */
  readonly littleEndian: boolean;
  /** Types of the object. */
  readonly btf?: Btf | undefined;
  /** func_info, line_info and CO-RE relocations. */
  readonly btfExt?: BtfExt | undefined;
  /** Error of malformed BTF that the object does not need, and that is ignored. */
  readonly btfProblem?: BtfError | undefined;
  /** Entry programs, ordered by section and offset. */
  readonly programs: Named<ProgramSpec>;
  /** Maps: those of `.maps` by offset, legacy maps, then data sections, kconfig and struct_ops. */
  readonly maps: Named<MapSpec>;
  /** Externs, in libbpf's order. */
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
   * @throws {ElfError} when the bytes are not a BPF object.
   * @throws {ObjectError} when libbpf would refuse to open the object, with the same errno.
   * @throws {BtfError} when its BTF is malformed and its maps need it.
   */
  static parse(bytes: Uint8Array, options: ParseOptions = {}): ObjectSpec {
    return new ObjectSpec(bytes, options);
  }

  /** Global variables, in the order of their maps. */
  get variables(): Named<VariableSpec> {
    if (this.#variables === undefined) {
      const { sections: { elf }, maps, placed } = this.#parsed;
      const { btf, externs } = this;
      const variables = readVariables({ elf, btf, maps, placed, externs });
      this.#variables = new NamedList<VariableSpec>("variable", this.name, variables);
    }
    return this.#variables;
  }

  /** Functions in `.text`, by offset. */
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

  /** ELF sections in file order, without null sections. */
  get sections(): readonly SectionSummary[] {
    return this.#parsed.sections.elf.sections
      .filter(({ type }) => type !== SectionType.null)
      .map(({ name, type, flags, size }) => ({ name, type, flags, size }));
  }

  /** Relocations of all functions, in order. */
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

  /** Returns the object as plain JSON, equal on every machine. */
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

/** JSON form of a program. */
export interface ProgramJson extends
  Pick<
    ProgramSpec,
    "name" | "section" | "type" | "flags" | "attach" | "autoload" | "autoattach"
  > {
  /** Kernel name of the expected attach type. */
  readonly expectedAttachType?: string;
  /** Number of instructions before relocation. */
  readonly instructions: number;
}

/** JSON form of an object. */
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
  /** Functions in `.text`, with their instruction counts. */
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
  /** Relocations of code, in order. */
  readonly relocations: readonly RelocationSummary[];
}

/**
 * Parses `.BTF` and `.BTF.ext`, if present.
 *
 * Malformed BTF that nothing in the object needs is ignored, as in libbpf; the error is returned as
 * `problem`.
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
    throw openError(elf.name, "ENOENT", "it has no BTF, which its maps require", {
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
