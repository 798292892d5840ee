/**
 * Sections, symbols, relocations and segments of an ELF file as plain data.
 *
 * @module
 */

/** A section. */
export interface ElfSection {
  /** Index in the section table. */
  readonly index: number;
  /** Name from the section name string table. */
  readonly name: string;
  /** `sh_type`: one of {@linkcode SectionType}. */
  readonly type: number;
  /** `sh_flags`: bits of {@linkcode SectionFlag}. */
  readonly flags: number;
  /** `sh_addr`: virtual address; 0 in a relocatable object. */
  readonly address: number;
  /** Offset in the file, in bytes. */
  readonly offset: number;
  /** Size in bytes. Zero-initialised data (`nobits`) has a size but no bytes in the file. */
  readonly size: number;
  /** `sh_link`: the index of a related section, for instance the string table of a symbol table. */
  readonly link: number;
  /** `sh_info`: for relocations, the index of the section that they apply to. */
  readonly info: number;
  /** `sh_addralign`: alignment in bytes. */
  readonly alignment: number;
  /** Size of one entry in bytes, for sections that are tables; else 0. */
  readonly entrySize: number;
  /** View of the bytes in the file; empty for zero-initialised data. */
  readonly data: Uint8Array;
}

/** Binding of a symbol (STB_…). */
export type ElfBinding = "local" | "global" | "weak" | "other";
/** Type of a symbol (STT_…). */
export type ElfSymbolType = "notype" | "object" | "func" | "section" | "file" | "other";
/** Visibility of a symbol (STV_…). */
export type ElfVisibility = "default" | "internal" | "hidden" | "protected";

/** A symbol. */
export interface ElfSymbol {
  /** Index in the symbol table. */
  readonly index: number;
  /** Name; empty for most section symbols. */
  readonly name: string;
  /** `st_value`: in a relocatable object the offset in its section, in bytes; else a virtual address. */
  readonly value: number;
  /** Size in bytes. */
  readonly size: number;
  /** Binding. */
  readonly binding: ElfBinding;
  /** Type. */
  readonly type: ElfSymbolType;
  /** Visibility. */
  readonly visibility: ElfVisibility;
  /** Index of its section, or one of {@linkcode SectionIndex}. Extended indices are resolved. */
  readonly sectionIndex: number;
}

/** A relocation. */
export interface ElfRelocation {
  /** Offset in the relocated section, in bytes. */
  readonly offset: number;
  /** Relocation type: an `R_BPF_*` number in a BPF object. */
  readonly type: number;
  /** Index of the symbol. */
  readonly symbol: number;
  /** Addend; 0 for a relocation of a `rel` section. */
  readonly addend: number;
}

/** A segment (program header) of an executable or a library. */
export interface ElfSegment {
  /** `p_type`. */
  readonly type: number;
  /** `p_flags`: readable 4, writable 2, executable 1. */
  readonly flags: number;
  /** Offset in the file, in bytes. */
  readonly offset: number;
  /** `p_vaddr`: virtual address. */
  readonly address: number;
  /** Size in the file, in bytes. */
  readonly fileSize: number;
  /** Size in memory, in bytes. */
  readonly memorySize: number;
  /** View of the bytes in the file. */
  readonly data: Uint8Array;
}
