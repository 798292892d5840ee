/**
 * The numbers of ELF that skep uses, by their names in `elf.h`, grouped and without the prefix.
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

/** `e_machine`, the two that a BPF object may name. */
export const Machine = {
  /** EM_NONE: very old clang wrote BPF objects so. */
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
  /** Notes, as USDT probes are written. */
  note: 7,
  /** Zero-initialised data: a size without bytes. */
  nobits: 8,
  /** Relocations whose addends are in the code. */
  rel: 9,
  /** The dynamic linker's symbol table. */
  dynsym: 11,
  /** A group of sections (COMDAT). */
  group: 17,
  /** The section indices that don't fit into a symbol. */
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

/** Section indices with a meaning of their own. */
export const SectionIndex = {
  /** No section: an extern. */
  undefined: 0,
  /** The first reserved one. */
  reserved: 0xff00,
  /** An absolute value. */
  absolute: 0xfff1,
  /** An unallocated common symbol. */
  common: 0xfff2,
  /** The index stands elsewhere. */
  extended: 0xffff,
} as const;
