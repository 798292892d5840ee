/**
 * Classifies an object's ELF sections.
 *
 * @module
 */

import { SectionFlag, SectionType } from "../../elf/constants.ts";
import type { ElfFile, ElfSection } from "../../elf/elf.ts";
import { openError } from "../spec/error.ts";

/** Kind of a data section. */
export type DataKind = "data" | "rodata" | "bss";

/** An object's sections by purpose. */
export interface ObjectSections {
  /** The object. */
  readonly elf: ElfFile;
  /** License, at most 63 characters; empty without a `license` section. */
  readonly license: string;
  /** Kernel version from the `version` section; 0 without one. */
  readonly kernelVersion: number;
  /** Sections with code. */
  readonly code: readonly ElfSection[];
  /** ELF index of `.text`, or -1. */
  readonly textIndex: number;
  /** Data sections in order: `.data`, `.rodata`, `.bss` and `.data.NAME` etc. */
  readonly data: readonly { readonly section: ElfSection; readonly kind: DataKind }[];
  /** `.maps`. */
  readonly maps?: ElfSection | undefined;
  /** Legacy `maps`. */
  readonly legacyMaps?: ElfSection | undefined;
  /** `.struct_ops` and `.struct_ops.link`, also with a leading `?`. */
  readonly structOps: readonly ElfSection[];
  /** `.addr_space.1`: globals in an arena. */
  readonly arena?: ElfSection | undefined;
  /** `.jumptables`. */
  readonly jumpTables?: ElfSection | undefined;
  /** `.BTF`. */
  readonly btf?: ElfSection | undefined;
  /** `.BTF.ext`. */
  readonly btfExt?: ElfSection | undefined;
}

const STRUCT_OPS = new Set([
  ".struct_ops",
  ".struct_ops.link",
  "?.struct_ops",
  "?.struct_ops.link",
]);

/** Bytes of the license that are passed to the kernel. */
const LONGEST_LICENSE = 63;

/**
 * Classifies an object's sections by name, type and flags.
 *
 * @throws {ObjectError} ENOENT without symbols, EOPNOTSUPP for a legacy `maps` section unless
 * `legacyMaps`, EINVAL for a section of the wrong ELF type.
 */
export function readSections(elf: ElfFile, legacyMaps: boolean): ObjectSections {
  if (!elf.hasSymbolTable) {
    throw openError(elf.name, "ENOENT", "it has no symbol table", {
      fix: "keep the symbols: strip only debug sections, with llvm-strip -g",
    });
  }
  const sections: { -readonly [Key in keyof ObjectSections]: ObjectSections[Key] } = {
    elf,
    license: "",
    kernelVersion: 0,
    code: [],
    textIndex: -1,
    data: [],
    structOps: [],
  };
  const code: ElfSection[] = [];
  const data: { section: ElfSection; kind: DataKind }[] = [];
  const structOps: ElfSection[] = [];
  for (const section of elf.sections) {
    const { name, type } = section;
    const isProgramData = type === SectionType.progbits;
    if (name === "license") {
      sections.license = readText(section.data);
    } else if (name === "version") {
      sections.kernelVersion = readVersion(elf, section);
    } else if (name === "maps") {
      if (!legacyMaps) {
        throw openError(elf.name, "EOPNOTSUPP", "it has a legacy map definition in section maps", {
          fix: 'define its maps in SEC(".maps"), or parse with { legacyMaps: true }',
        });
      }
      sections.legacyMaps = section;
    } else if (name === ".maps") {
      sections.maps = section;
    } else if (name === ".BTF" || name === ".BTF.ext") {
      if (!isProgramData) {
        throw openError(
          elf.name,
          "EINVAL",
          `section ${name} has ELF type ${type} instead of SHT_PROGBITS`,
        );
      }
      if (name === ".BTF") sections.btf = section;
      else sections.btfExt = section;
    } else if (isProgramData && section.size > 0) {
      if ((section.flags & SectionFlag.execute) !== 0) {
        if (name === ".text") sections.textIndex = section.index;
        code.push(section);
      } else if (isNamed(name, ".data")) {
        data.push({ section, kind: "data" });
      } else if (isNamed(name, ".rodata")) {
        data.push({ section, kind: "rodata" });
      } else if (STRUCT_OPS.has(name)) {
        structOps.push(section);
      } else if (name === ".addr_space.1") {
        sections.arena = section;
      } else if (name === ".jumptables") {
        sections.jumpTables = section;
      }
    } else if (type === SectionType.nobits && section.size > 0 && isNamed(name, ".bss")) {
      data.push({ section, kind: "bss" });
    }
  }
  sections.code = code;
  sections.data = data;
  sections.structOps = structOps;
  return sections;
}

/** Returns whether a section is named `.data` or `.data.NAME`, for the base `.data`. */
function isNamed(name: string, base: string): boolean {
  return name === base || name.startsWith(`${base}.`);
}

function readText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = bytes.subarray(0, Math.min(end < 0 ? bytes.length : end, LONGEST_LICENSE));
  return new TextDecoder().decode(text);
}

function readVersion(elf: ElfFile, section: ElfSection): number {
  const { data } = section;
  if (data.length !== 4) {
    throw openError(elf.name, "EINVAL", `section version has ${data.length} bytes, not 4`);
  }
  return new DataView(data.buffer, data.byteOffset, 4).getUint32(0, elf.littleEndian);
}
