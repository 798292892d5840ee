/**
 * ELF constants that skep reads, named as in `elf.h` without the prefix. A test compares them with that header.
 *
 * @module
 */

/** `e_type`. */
export const FileType = {
  /** A relocatable object, as a compiler writes it. */
  relocatable: 1,
  /** An executable with a fixed address. */
  executable: 2,
  /** A shared library or a position-independent executable. */
  shared: 3,
  /** A core dump. */
  core: 4,
} as const;

/** `e_machine`: the two values of BPF objects. */
export const Machine = {
  /** EM_NONE: written by clang before 3.9. */
  none: 0,
  /** EM_BPF. */
  bpf: 247,
} as const;

/** `sh_type`. */
export const SectionType = {
  /** An unused header. */
  null: 0,
  /** Code or data. */
  progbits: 1,
  /** The symbol table. */
  symtab: 2,
  /** Names. */
  strtab: 3,
  /** Relocations with addends. */
  rela: 4,
  /** Notes: USDT probes are described by notes. */
  note: 7,
  /** Zero-initialised data: has a size, but no bytes in the file. */
  nobits: 8,
  /** Relocations whose addends are in the relocated bytes. */
  rel: 9,
  /** The dynamic linker's symbol table. */
  dynsym: 11,
  /** A group of sections (COMDAT). */
  group: 17,
  /** Section indices that do not fit into the 16 bits of a symbol. */
  symtabShndx: 18,
  /** LLVM's table of address-significant symbols. */
  llvmAddrsig: 0x6fff4c03,
} as const;

/** `sh_flags`. */
export const SectionFlag = {
  /** Writable data. */
  write: 1,
  /** Part of the running program. */
  alloc: 2,
  /** Code. */
  execute: 4,
} as const;

/** Reserved section indices. */
export const SectionIndex = {
  /** SHN_UNDEF: the symbol is an extern. */
  undefined: 0,
  /** SHN_LORESERVE: the first reserved index. */
  reserved: 0xff00,
  /** An absolute value. */
  absolute: 0xfff1,
  /** An unallocated common symbol. */
  common: 0xfff2,
  /** SHN_XINDEX: the index is in the section of type `symtabShndx`. */
  extended: 0xffff,
} as const;
