/**
 * ELF64 files of both byte orders, read from bytes without any system call.
 *
 * @module
 */

export * from "./constants.ts";
export * from "./elf.ts";
export * from "./elf_error.ts";
export * from "./error.ts";
export * from "./string_table.ts";
