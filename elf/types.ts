/**
 * The parts of an ELF file as plain data.
 *
 * @module
 */

/** A section. */
export interface ElfSection {
  /** Its place in the section table. */
  readonly index: number;
  /** Its name. */
  readonly name: string;
  /** One of {@linkcode SectionType}. */
  readonly type: number;
  /** {@linkcode SectionFlag} bits. */
  readonly flags: number;
  /** Where it is in memory; 0 in a relocatable object. */
  readonly address: number;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Bytes; for zero-initialised data there are none in the file. */
  readonly size: number;
  /** `sh_link`: the index of a section that belongs to it. */
  readonly link: number;
  /** `sh_info`: for relocations the index of the section that they are for. */
  readonly info: number;
  /** Bytes. */
  readonly alignment: number;
  /** Bytes of one entry where it is a table. */
  readonly entrySize: number;
  /** A view into the file; empty for zero-initialised data. */
  readonly data: Uint8Array;
}

/** How a symbol is seen by other objects. */
export type ElfBinding = "local" | "global" | "weak" | "other";
/** What a symbol names. */
export type ElfSymbolType = "notype" | "object" | "func" | "section" | "file" | "other";
/** Whether a symbol can be seen by other components. */
export type ElfVisibility = "default" | "internal" | "hidden" | "protected";

/** A symbol. */
export interface ElfSymbol {
  /** Its place in the symbol table. */
  readonly index: number;
  /** Its name; empty for most section symbols. */
  readonly name: string;
  /** In a relocatable object bytes from the start of its section. */
  readonly value: number;
  /** Bytes. */
  readonly size: number;
  /** How it is seen by other objects. */
  readonly binding: ElfBinding;
  /** What it names. */
  readonly type: ElfSymbolType;
  /** Whether it can be seen by other components. */
  readonly visibility: ElfVisibility;
  /** Its section, or one of {@linkcode SectionIndex} but never `extended`. */
  readonly sectionIndex: number;
}

/** A relocation. */
export interface ElfRelocation {
  /** Bytes from the start of the section. */
  readonly offset: number;
  /** One of {@linkcode RelocationType} in a BPF object. */
  readonly type: number;
  /** The symbol's index. */
  readonly symbol: number;
  /** 0 for a relocation without addend. */
  readonly addend: number;
}

/** A segment (program header) of an executable or a library. */
export interface ElfSegment {
  /** One of {@linkcode SegmentType}. */
  readonly type: number;
  /** Readable 4, writable 2, executable 1. */
  readonly flags: number;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Where it is in memory. */
  readonly address: number;
  /** Bytes in the file. */
  readonly fileSize: number;
  /** Bytes in memory. */
  readonly memorySize: number;
  /** A view into the file. */
  readonly data: Uint8Array;
}
