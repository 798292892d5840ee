/**
 * Reads the versions of a library's symbols from `.gnu.version` and `.gnu.version_d`.
 *
 * @module
 */

import type { ElfFile } from "../../../elf/elf.ts";

const SHT_GNU_VERDEF = 0x6ffffffd;
const SHT_GNU_VERSYM = 0x6fffffff;
const HIDDEN = 0x8000;

/** Version of a symbol. */
export interface SymbolVersion {
  /** Name: `GLIBC_2.34`. */
  readonly name: string;
  /** Whether new programs cannot link to it: `name@VERSION`; the default version is `name@@VERSION`. */
  readonly hidden: boolean;
}

/** Returns the versions of the dynamic symbols by symbol index; empty when the file has none. */
export function symbolVersions(file: ElfFile): Map<number, SymbolVersion> {
  const versions = new Map<number, SymbolVersion>();
  const table = file.sections.find((section) => section.type === SHT_GNU_VERSYM);
  const definitions = file.sections.find((section) => section.type === SHT_GNU_VERDEF);
  if (table === undefined || definitions === undefined) return versions;
  const names = definitionNames(file, definitions);
  const view = viewOf(table.data);
  for (let index = 0; index * 2 + 2 <= table.data.length; index++) {
    const word = view.getUint16(index * 2, file.littleEndian);
    const name = names.get(word & ~HIDDEN);
    if (name !== undefined) versions.set(index, { name, hidden: (word & HIDDEN) !== 0 });
  }
  return versions;
}

/** Walks Elf64_Verdef and the first Elf64_Verdaux of each, up to the end of the section. */
function definitionNames(
  file: ElfFile,
  section: { readonly data: Uint8Array; readonly link: number },
): Map<number, string> {
  const names = new Map<number, string>();
  const strings = file.sections[section.link]?.data ?? new Uint8Array(0);
  const view = viewOf(section.data);
  let at = 0;
  while (at + 20 <= section.data.length) {
    const index = view.getUint16(at + 4, file.littleEndian);
    const aux = at + view.getUint32(at + 12, file.littleEndian);
    const next = view.getUint32(at + 16, file.littleEndian);
    if (aux + 8 <= section.data.length) {
      names.set(index, text(strings, view.getUint32(aux, file.littleEndian)));
    }
    if (next === 0) break;
    at += next;
  }
  return names;
}

function text(strings: Uint8Array, offset: number): string {
  const end = strings.indexOf(0, offset);
  return end < 0 ? "" : new TextDecoder().decode(strings.slice(offset, end));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
