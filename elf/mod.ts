/**
 * ELF64 files of both byte orders, read from bytes without any system call.
 *
 * Imports: errors.
 *
 * @module
 */

export * from "../errors/skep_error.ts";
export * from "./constants.ts";
export * from "./elf.ts";
export * from "./elf_error.ts";
export * from "./string_table.ts";
