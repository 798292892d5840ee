/**
 * Parses the sections of an object into specs: one file for each kind of section.
 *
 * Imports: uapi, elf, btf, object/section, object/spec, object/code.
 *
 * @module
 */

export type { ParsedObject } from "./parsed_object.ts";
