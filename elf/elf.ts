/**
 * ELF64 files of both byte orders: sections, symbols, relocations and segments.
 *
 * @module
 */

import { FileType, Machine, SectionIndex, SectionType } from "./constants.ts";
import { ElfError } from "./elf_error.ts";
import { NameMeter, SHARED_NAMES, StringTable } from "./string_table.ts";
import { LazySymbol } from "./symbol.ts";
import type { ElfRelocation, ElfSection, ElfSegment, ElfSymbol } from "./types.ts";

export type {
  ElfBinding,
  ElfRelocation,
  ElfSection,
  ElfSegment,
  ElfSymbol,
  ElfSymbolType,
  ElfVisibility,
} from "./types.ts";

/** Options of {@linkcode ElfFile.parse}. */
export interface ElfOptions {
  /**
   * The name that errors show.
   *
   * @default "ELF file"
   */
  readonly name?: string | undefined;
  /**
   * Whether to accept executables, libraries and code of other machines, beside relocatable BPF objects.
   *
   * @default false
   */
  readonly anyMachine?: boolean | undefined;
}

const HEADER_SIZE = 64;
const SECTION_SIZE = 64;
const SEGMENT_SIZE = 56;
const SYMBOL_SIZE = 24;

/**
 * Reads an ELF64 file from its bytes. Section and segment data are views of those bytes, not copies.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { ElfError, ElfFile } from "@skep/skep/elf";
 *
 * assertThrows(() => ElfFile.parse(new Uint8Array(4), "x.bpf.o"), ElfError, "x.bpf.o");
 * ```
 */
export class ElfFile {
  /** The name that errors show. */
  readonly name: string;
  /** The whole file. */
  readonly bytes: Uint8Array;
  /** Whether the file is little-endian. */
  readonly littleEndian: boolean;
  /** `e_machine`: one of {@linkcode Machine}, or another number with `anyMachine`. */
  readonly machine: number;
  /** `e_type`: one of {@linkcode FileType}. */
  readonly type: number;
  /** `e_entry`: the virtual address of the entry point; 0 in a relocatable object. */
  readonly entry: number;
  /** All sections by index. Index 0 is the null section that every ELF file begins with. */
  readonly sections: readonly ElfSection[];

  readonly #view: DataView;
  #symbols: readonly ElfSymbol[] | undefined;
  #dynamicSymbols: readonly ElfSymbol[] | undefined;
  #segments: readonly ElfSegment[] | undefined;
  #byName: Map<string, ElfSection> | undefined;
  #relocationSections: Map<number, ElfSection[]> | undefined;

  private constructor(bytes: Uint8Array, options: ElfOptions) {
    this.name = options.name ?? "ELF file";
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.littleEndian = this.#identify();
    const view = this.#view;
    this.type = view.getUint16(16, this.littleEndian);
    this.machine = view.getUint16(18, this.littleEndian);
    if (options.anyMachine !== true) this.#requireBpf();
    this.entry = options.anyMachine === true ? this.#wide(24, "entry point") : 0;
    this.sections = this.#readSections();
    if (options.anyMachine !== true) {
      this.#checkOverlap();
      // Report a malformed symbol table when the object is opened, not at the first use of a symbol.
      this.#symbols = this.#readSymbols(SectionType.symtab);
    }
  }

  /**
   * Parses the headers and sections of a file, and the symbols of a BPF object.
   *
   * Accepts relocatable BPF objects only, unless `anyMachine` is set.
   *
   * @throws {ElfError} when a header, table or symbol is malformed; `data.offset` is the offset of the field
   * in the file.
   */
  static parse(bytes: Uint8Array, options: string | ElfOptions = {}): ElfFile {
    return new ElfFile(bytes, typeof options === "string" ? { name: options } : options);
  }

  /** The symbols of `.symtab` by index; index 0 is the null symbol. Empty for a stripped file. */
  get symbols(): readonly ElfSymbol[] {
    return this.#symbols ??= this.#readSymbols(SectionType.symtab);
  }

  /** The symbols of `.dynsym`, which executables and libraries have. */
  get dynamicSymbols(): readonly ElfSymbol[] {
    return this.#dynamicSymbols ??= this.#readSymbols(SectionType.dynsym);
  }

  /** The segments (program headers) of an executable or library; empty for a BPF object. */
  get segments(): readonly ElfSegment[] {
    return this.#segments ??= this.#readSegments();
  }

  /** Whether the file has a `.symtab`. */
  get hasSymbolTable(): boolean {
    return this.sections.some((section) => section.type === SectionType.symtab);
  }

  /** Finds the first section with the name. Names need not be unique: iterate over `sections` to see all. */
  section(name: string): ElfSection | undefined {
    if (this.#byName === undefined) {
      this.#byName = new Map();
      for (const section of this.sections) {
        if (section.type === SectionType.null) continue;
        if (!this.#byName.has(section.name)) this.#byName.set(section.name, section);
      }
    }
    return this.#byName.get(name);
  }

  /**
   * Reads the relocations of a section, in file order. The entries of several tables are concatenated.
   *
   * @throws {ElfError} when a table is truncated or names a symbol that does not exist.
   */
  relocations(target: ElfSection): readonly ElfRelocation[] {
    if (this.#relocationSections === undefined) {
      this.#relocationSections = new Map();
      for (const section of this.sections) {
        if (section.type !== SectionType.rel && section.type !== SectionType.rela) continue;
        const list = this.#relocationSections.get(section.info);
        if (list === undefined) this.#relocationSections.set(section.info, [section]);
        else list.push(section);
      }
    }
    const tables = this.#relocationSections.get(target.index);
    if (tables === undefined) return [];
    const relocations: ElfRelocation[] = [];
    for (const table of tables) this.#readRelocations(table, relocations);
    return relocations;
  }

  /** Checks `e_ident` and returns whether the file is little-endian. */
  #identify(): boolean {
    const { bytes } = this;
    if (bytes.length < 4 || this.#view.getUint32(0) !== 0x7f454c46) {
      throw this.#error(
        bytes.length === 0 ? "it is empty" : "it is not an ELF file",
        0,
        "pass an object that clang compiled with -target bpf",
        "ENOEXEC",
      );
    }
    if (bytes.length < HEADER_SIZE) {
      throw this.#error(`its header ends after ${bytes.length} of ${HEADER_SIZE} bytes`, 0);
    }
    if (bytes[4] !== 2) {
      throw this.#error("it is a 32-bit ELF file; BPF objects are 64-bit", 4);
    }
    if (bytes[5] !== 1 && bytes[5] !== 2) {
      throw this.#error(`its byte order is ${bytes[5]}, neither little (1) nor big (2)`, 5);
    }
    if (bytes[6] !== 1) throw this.#error(`its ELF version is ${bytes[6]}, not 1`, 6);
    return bytes[5] === 1;
  }

  #requireBpf(): void {
    if (this.machine !== Machine.none && this.machine !== Machine.bpf) {
      throw this.#error(
        `it is for machine ${this.machine}, not for BPF (${Machine.bpf})`,
        18,
        "compile it with clang -target bpf",
      );
    }
    if (this.type !== FileType.relocatable) {
      throw this.#error(
        `it is ELF type ${this.type}, not a relocatable object (${FileType.relocatable})`,
        16,
        "pass the object file that the compiler wrote, not a linked one",
      );
    }
  }

  #readSections(): readonly ElfSection[] {
    const { littleEndian } = this;
    const view = this.#view;
    const size = this.bytes.length;
    const table = this.#wide(40, "section table offset");
    if (table === 0) return [];
    const entrySize = view.getUint16(58, littleEndian);
    if (entrySize !== SECTION_SIZE) {
      throw this.#error(`its section headers have ${entrySize} bytes, not ${SECTION_SIZE}`, 58);
    }
    if (table + SECTION_SIZE > size) {
      throw this.#error(`its section table is at ${table}, past its end at ${size}`, 40);
    }
    let count = view.getUint16(60, littleEndian);
    // With more than 0xfeff sections the count is in sh_size, and the index below in sh_link, of section 0.
    if (count === 0) count = this.#wide(table + 32, "number of sections");
    if (count * SECTION_SIZE > size - table) {
      throw this.#error(`its table of ${count} sections at ${table} ends past ${size}`, 60);
    }
    let namesIndex = view.getUint16(62, littleEndian);
    if (namesIndex === SectionIndex.extended) {
      namesIndex = view.getUint32(table + 40, littleEndian);
    }

    const nameOffsets = new Uint32Array(count);
    const sections = new Array<Section>(count);
    for (let index = 0; index < count; index++) {
      const at = table + index * SECTION_SIZE;
      nameOffsets[index] = view.getUint32(at, littleEndian);
      sections[index] = this.#readSection(index, at);
    }
    if (namesIndex === 0) return sections;
    const names = this.#stringTable(sections, namesIndex, 62);
    const meter = NameMeter.for(names, count * SECTION_SIZE);
    for (let index = 1; index < count; index++) {
      const section = sections[index] as Section;
      const name = names.at(nameOffsets[index] as number);
      if (name === undefined && section.type !== SectionType.null) {
        throw this.#error(
          `the name of section ${index} is at ${nameOffsets[index]}, outside the string table`,
          table + index * SECTION_SIZE,
        );
      }
      if (meter?.count(nameOffsets[index] as number) === false) {
        throw this.#error(SHARED_NAMES, table, undefined, "E2BIG");
      }
      section.name = name ?? "";
    }
    return sections;
  }

  #readSection(index: number, at: number): Section {
    const { littleEndian, bytes } = this;
    const view = this.#view;
    const type = view.getUint32(at + 4, littleEndian);
    const offset = this.#wide(at + 24, "section offset");
    const size = this.#wide(at + 32, "section size");
    let data: Uint8Array = EMPTY;
    if (index > 0 && type !== SectionType.nobits && type !== SectionType.null && size > 0) {
      if (offset + size > bytes.length) {
        throw this.#error(
          `section ${index} takes bytes ${offset} to ${offset + size} of ${bytes.length}`,
          at + 24,
        );
      }
      data = bytes.subarray(offset, offset + size);
    }
    return {
      index,
      name: "",
      type,
      // The low word holds all flags that are read; the high word is unused for BPF.
      flags: view.getUint32(littleEndian ? at + 8 : at + 12, littleEndian),
      address: this.#wideOrZero(at + 16),
      offset,
      size,
      link: view.getUint32(at + 40, littleEndian),
      info: view.getUint32(at + 44, littleEndian),
      alignment: this.#wide(at + 48, "section alignment"),
      entrySize: this.#wide(at + 56, "section entry size"),
      data,
    };
  }

  /** Refuses sections that share bytes: a small file could otherwise make readers process the same bytes many times. */
  #checkOverlap(): void {
    let total = 0;
    for (const section of this.sections) total += section.data.length;
    if (total > this.bytes.length) {
      throw this.#error(
        `its sections overlap: they claim ${total} bytes of ${this.bytes.length}`,
        40,
      );
    }
  }

  #stringTable(sections: readonly ElfSection[], index: number, at: number): StringTable {
    const section = sections[index];
    if (section === undefined || section.type !== SectionType.strtab) {
      throw this.#error(`section ${index} is not a string table, but is used as one`, at);
    }
    const table = new StringTable(section.data);
    if (!table.terminated) {
      throw this.#error(
        `the string table in section ${index} does not end with a NUL`,
        section.offset + section.size - 1,
      );
    }
    return table;
  }

  #readSymbols(type: number): readonly ElfSymbol[] {
    let table: ElfSection | undefined;
    for (const section of this.sections) {
      if (section.type !== type) continue;
      if (table !== undefined) {
        throw this.#error(
          `it has two symbol tables, sections ${table.index} and ${section.index}`,
          section.offset,
        );
      }
      table = section;
    }
    if (table === undefined) return [];
    const { data } = table;
    if (table.entrySize !== SYMBOL_SIZE || data.length % SYMBOL_SIZE !== 0) {
      throw this.#error(
        `its symbol table of ${data.length} bytes in entries of ${table.entrySize} is not one of ${SYMBOL_SIZE}-byte symbols`,
        table.offset,
      );
    }
    const names = this.#stringTable(this.sections, table.link, table.offset);
    const extended = this.#extendedIndices(table);
    const count = data.length / SYMBOL_SIZE;
    const symbols = new Array<ElfSymbol>(count);
    const meter = NameMeter.for(names, data.length);
    for (let index = 0; index < count; index++) {
      if (meter !== undefined) {
        const nameOffset = this.#view.getUint32(
          table.offset + index * SYMBOL_SIZE,
          this.littleEndian,
        );
        if (!meter.count(nameOffset)) {
          throw this.#error(SHARED_NAMES, table.offset, undefined, "E2BIG");
        }
      }
      symbols[index] = this.#readSymbol(
        index,
        table.offset + index * SYMBOL_SIZE,
        names,
        extended,
      );
    }
    return symbols;
  }

  #extendedIndices(table: ElfSection): ElfSection | undefined {
    for (const section of this.sections) {
      if (section.type === SectionType.symtabShndx && section.link === table.index) {
        return section;
      }
    }
    return undefined;
  }

  #readSymbol(
    index: number,
    at: number,
    names: StringTable,
    extended: ElfSection | undefined,
  ): ElfSymbol {
    const { littleEndian, bytes } = this;
    const view = this.#view;
    const nameOffset = view.getUint32(at, littleEndian);
    if (nameOffset !== 0 && nameOffset >= names.bytes.length) {
      throw this.#error(
        `the name of symbol ${index} is at ${nameOffset}, outside the string table`,
        at,
      );
    }
    let sectionIndex = view.getUint16(at + 6, littleEndian);
    if (sectionIndex === SectionIndex.extended) {
      const entry = index * 4;
      if (extended === undefined || entry + 4 > extended.data.length) {
        throw this.#error(
          `symbol ${index} has an extended section index, and the table of those is missing or too short`,
          at + 6,
        );
      }
      sectionIndex = view.getUint32(extended.offset + entry, littleEndian);
    } else if (sectionIndex >= SectionIndex.reserved) {
      return new LazySymbol(
        names,
        nameOffset,
        index,
        this.#wideOrZero(at + 8),
        this.#wideOrZero(at + 16),
        bytes[at + 4] as number,
        bytes[at + 5] as number,
        sectionIndex,
      );
    }
    if (sectionIndex >= this.sections.length && sectionIndex !== 0) {
      throw this.#error(
        `symbol ${index} is in section ${sectionIndex} of ${this.sections.length}`,
        at + 6,
      );
    }
    return new LazySymbol(
      names,
      nameOffset,
      index,
      this.#wide(at + 8, "symbol value"),
      this.#wide(at + 16, "symbol size"),
      bytes[at + 4] as number,
      bytes[at + 5] as number,
      sectionIndex,
    );
  }

  #readRelocations(table: ElfSection, into: ElfRelocation[]): void {
    const { littleEndian } = this;
    const view = this.#view;
    const withAddend = table.type === SectionType.rela;
    const entrySize = withAddend ? 24 : 16;
    if (table.entrySize !== entrySize || table.data.length % entrySize !== 0) {
      throw this.#error(
        `relocation section ${table.name} has ${table.data.length} bytes in entries of ${table.entrySize}, not of ${entrySize}`,
        table.offset,
      );
    }
    const symbols = this.sections[table.link];
    const symbolCount = symbols === undefined ? 0 : symbols.data.length / SYMBOL_SIZE;
    for (let from = 0; from < table.data.length; from += entrySize) {
      const at = table.offset + from;
      // r_info is one 64-bit number: the type in its low word, the symbol in its high one.
      const type = view.getUint32(littleEndian ? at + 8 : at + 12, littleEndian);
      const symbol = view.getUint32(littleEndian ? at + 12 : at + 8, littleEndian);
      if (symbol !== 0 && symbol >= symbolCount) {
        throw this.#error(
          `relocation ${
            from / entrySize
          } of ${table.name} names symbol ${symbol} of ${symbolCount}`,
          at + 8,
        );
      }
      into.push({
        offset: this.#wide(at, "relocation offset"),
        type,
        symbol,
        addend: withAddend ? this.#signedWide(at + 16) : 0,
      });
    }
  }

  #readSegments(): readonly ElfSegment[] {
    const { littleEndian, bytes } = this;
    const view = this.#view;
    const table = this.#wide(32, "segment table offset");
    let count = view.getUint16(56, littleEndian);
    if (table === 0 || count === 0) return [];
    if (count === 0xffff) count = this.sections[0]?.info ?? 0;
    const entrySize = view.getUint16(54, littleEndian);
    if (entrySize !== SEGMENT_SIZE) {
      throw this.#error(`its program headers have ${entrySize} bytes, not ${SEGMENT_SIZE}`, 54);
    }
    if (table + count * SEGMENT_SIZE > bytes.length) {
      throw this.#error(`its ${count} program headers at ${table} end past ${bytes.length}`, 32);
    }
    const segments: ElfSegment[] = [];
    for (let index = 0; index < count; index++) {
      const at = table + index * SEGMENT_SIZE;
      const offset = this.#wide(at + 8, "segment offset");
      const fileSize = this.#wide(at + 32, "segment size");
      if (offset + fileSize > bytes.length) {
        throw this.#error(
          `segment ${index} takes bytes ${offset} to ${offset + fileSize} of ${bytes.length}`,
          at + 8,
        );
      }
      segments.push({
        type: view.getUint32(at, littleEndian),
        flags: view.getUint32(at + 4, littleEndian),
        offset,
        address: this.#wide(at + 16, "segment address"),
        fileSize,
        memorySize: this.#wide(at + 40, "segment size in memory"),
        data: bytes.subarray(offset, offset + fileSize),
      });
    }
    return segments;
  }

  /** Reads a 64-bit field. Refuses values above 2**53 - 1, which a double cannot hold. */
  #wide(at: number, what: string): number {
    const { littleEndian } = this;
    const view = this.#view;
    const high = view.getUint32(littleEndian ? at + 4 : at, littleEndian);
    const low = view.getUint32(littleEndian ? at : at + 4, littleEndian);
    if (high > 0x1fffff) {
      throw this.#error(
        `its ${what} is 0x${high.toString(16)}${
          low.toString(16).padStart(8, "0")
        }, more than any file has`,
        at,
      );
    }
    return high * 0x1_0000_0000 + low;
  }

  /** Reads a 64-bit field of informational value; returns 0 for what a double cannot hold. */
  #wideOrZero(at: number): number {
    const { littleEndian } = this;
    const high = this.#view.getUint32(littleEndian ? at + 4 : at, littleEndian);
    if (high > 0x1fffff) return 0;
    return high * 0x1_0000_0000 + this.#view.getUint32(littleEndian ? at : at + 4, littleEndian);
  }

  #signedWide(at: number): number {
    const { littleEndian } = this;
    const high = this.#view.getInt32(littleEndian ? at + 4 : at, littleEndian);
    const low = this.#view.getUint32(littleEndian ? at : at + 4, littleEndian);
    if (high > 0x1fffff || high < -0x200000) {
      throw this.#error("a relocation's addend is more than any file has", at);
    }
    return high * 0x1_0000_0000 + low;
  }

  #error(why: string, offset: number, fix?: string, errno?: string): ElfError {
    return new ElfError({
      subject: this.name,
      why,
      offset,
      fix,
      errno,
    });
  }
}

const EMPTY: Uint8Array = new Uint8Array(0);

/** A section whose name is filled in later, when the string table is known. */
type Section = { -readonly [Key in keyof ElfSection]: ElfSection[Key] };
