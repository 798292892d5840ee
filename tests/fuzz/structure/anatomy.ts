/**
 * Splits a valid object into pieces with named fields.
 *
 * @module
 */

import { ElfFile } from "../../../elf/mod.ts";
import {
  BTF_HEADER,
  BTF_TYPES,
  DATA,
  ELF_HEADER,
  EXT_HEADER,
  EXT_RECORDS,
  EXT_SECTION,
  type Field,
  INSTRUCTION,
  RELOCATION,
  RELOCATION_WITH_ADDEND,
  SECTION_HEADER,
  SYMBOL,
} from "./fields.ts";

/** Bytes that belong together: a type, the records of a section, a symbol table. */
export interface Piece {
  /** Its kind: `btf.struct`, `symbols`. */
  readonly what: string;
  /** The bytes; a mutation takes a copy. */
  readonly bytes: Uint8Array;
  /** The fields at its start. */
  readonly head: readonly Field[];
  /** Size of the head in bytes, before the first element. */
  readonly headSize: number;
  /** The fields of each element. */
  readonly element: readonly Field[];
  /** Size of an element in bytes; 0 without elements. */
  readonly elementSize: number;
  /** Where the number of elements is stored: in `vlen`, or in the word at offset 4. */
  readonly count?: "vlen" | "word" | undefined;
}

/** A section: its header and its pieces. */
export interface Part {
  /** Which layout its pieces have. */
  readonly what: "btf" | "ext" | "plain";
  /** Its name. */
  readonly name: string;
  /** The 64 bytes in the table of sections. */
  readonly header: Uint8Array;
  /** The contents in order. */
  readonly pieces: readonly Piece[];
}

/** An object split into pieces. */
export interface Anatomy {
  /** The byte order. */
  readonly littleEndian: boolean;
  /** The ELF header. */
  readonly header: Piece;
  /** All sections, the empty first one included. */
  readonly parts: readonly Part[];
  /** The index of the section that holds names of symbols and sections. */
  readonly names: number;
}

/** Splits an object. */
export function anatomyOf(bytes: Uint8Array): Anatomy {
  const elf = ElfFile.parse(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const table = Number(view.getBigUint64(40, elf.littleEndian));
  const parts = elf.sections.map((section): Part => {
    const at = table + section.index * 64;
    const { name, data } = section;
    const what = name === ".BTF" ? "btf" : name === ".BTF.ext" ? "ext" : "plain";
    const pieces = data.length === 0
      ? []
      : what === "btf"
      ? typePieces(data, elf.littleEndian)
      : what === "ext"
      ? extPieces(data, elf.littleEndian)
      : [plainPiece(section.type, section.flags, data)];
    return { what, name, header: bytes.subarray(at, at + 64), pieces };
  });
  return {
    littleEndian: elf.littleEndian,
    header: piece("elf", bytes.subarray(0, 64), ELF_HEADER),
    parts,
    names: view.getUint16(62, elf.littleEndian),
  };
}

/** Returns a section's header as a piece. */
export function headerPiece(bytes: Uint8Array): Piece {
  return piece("section", bytes, SECTION_HEADER);
}

function piece(what: string, bytes: Uint8Array, head: readonly Field[]): Piece {
  return { what, bytes, head, headSize: bytes.length, element: [], elementSize: 0 };
}

function plainPiece(type: number, flags: number, data: Uint8Array): Piece {
  const [what, element, elementSize] = type === 2
    ? ["symbols", SYMBOL, 24] as const
    : type === 9
    ? ["relocations", RELOCATION, 16] as const
    : type === 4
    ? ["relocations", RELOCATION_WITH_ADDEND, 24] as const
    : type === 1 && (flags & 4) !== 0
    ? ["code", INSTRUCTION, 8] as const
    : type === 3
    ? ["names", [], 1] as const
    : ["data", DATA, 4] as const;
  return { what, bytes: data, head: [], headSize: 0, element, elementSize };
}

function typePieces(data: Uint8Array, little: boolean): Piece[] {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const header = view.getUint32(4, little);
  const pieces = [piece("btf.header", data.subarray(0, header), fitting(BTF_HEADER, header))];
  let at = header + view.getUint32(8, little);
  const end = at + view.getUint32(12, little);
  while (at < end) {
    const info = view.getUint32(at + 4, little);
    const kind = BTF_TYPES[info >>> 24 & 0x7f];
    if (kind === undefined) throw new Error("the seed has a kind that is not in the table");
    const { head, headSize, element, elementSize } = kind;
    const size = headSize + elementSize * (info & 0xffffff);
    pieces.push({
      what: `btf.${kind.kind}`,
      bytes: data.subarray(at, at + size),
      head,
      headSize,
      element,
      elementSize,
      count: elementSize === 0 ? undefined : "vlen",
    });
    at += size;
  }
  const strings = header + view.getUint32(16, little);
  pieces.push({
    what: "btf.strings",
    bytes: data.subarray(strings, strings + view.getUint32(20, little)),
    head: [],
    headSize: 0,
    element: [],
    elementSize: 1,
  });
  return pieces;
}

function extPieces(data: Uint8Array, little: boolean): Piece[] {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const header = view.getUint32(4, little);
  const pieces = [piece("ext.header", data.subarray(0, header), fitting(EXT_HEADER, header))];
  EXT_RECORDS.forEach(({ what, fields }, part) => {
    const field = 8 + part * 8;
    if (field + 8 > header) return;
    let at = header + view.getUint32(field, little);
    const end = at + view.getUint32(field + 4, little);
    if (at === end) return;
    const elementSize = view.getUint32(at, little);
    pieces.push(
      piece(`${what}.record_size`, data.subarray(at, at + 4), [
        { label: "ext.record_size", at: 0, size: 4, role: "size" },
      ]),
    );
    at += 4;
    while (at < end) {
      const size = 8 + elementSize * view.getUint32(at + 4, little);
      pieces.push({
        what,
        bytes: data.subarray(at, at + size),
        head: EXT_SECTION,
        headSize: 8,
        element: fields,
        elementSize,
        count: "word",
      });
      at += size;
    }
  });
  return pieces;
}

function fitting(fields: readonly Field[], length: number): readonly Field[] {
  return fields.filter(({ at, size }) => at + size <= length);
}
