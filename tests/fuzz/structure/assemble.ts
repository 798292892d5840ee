/**
 * Assembles pieces into an object, optionally with consistent sizes and offsets.
 *
 * @module
 */

import { type Anatomy, headerPiece, type Part, type Piece } from "./anatomy.ts";

/** A piece and its position in the object. */
export interface Placed {
  /** The piece. */
  readonly piece: Piece;
  /** Offset in the object in bytes. */
  readonly at: number;
}

/** An object with the positions of its pieces. */
export interface Assembled {
  /** The object. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its pieces in file order. */
  readonly placed: readonly Placed[];
}

/** The parts of `.BTF.ext`'s header in order: the pieces that belong to each. */
const EXT_PARTS = ["ext.func", "ext.line", "ext.core"] as const;

/**
 * Puts an object together. With `fitting`, every size, offset and count of tables that follows from
 * the pieces is written anew; without, those of the seed stay, whatever they say now.
 */
export function assemble(anatomy: Anatomy, fitting: boolean): Assembled {
  const { parts, littleEndian: little } = anatomy;
  let end = 64;
  const starts = parts.map(({ pieces }) => {
    end = end + 7 & ~7;
    const start = end;
    for (const { bytes } of pieces) end += bytes.length;
    return start;
  });
  const table = end + 7 & ~7;
  const bytes = new Uint8Array(table + parts.length * 64);
  const view = new DataView(bytes.buffer);
  const placed: Placed[] = [{ piece: anatomy.header, at: 0 }];
  bytes.set(anatomy.header.bytes);
  parts.forEach((part, index) => {
    let at = starts[index] as number;
    const start = at;
    for (const piece of part.pieces) {
      bytes.set(piece.bytes, at);
      placed.push({ piece, at });
      at += piece.bytes.length;
    }
    const header = table + index * 64;
    bytes.set(part.header, header);
    placed.push({ piece: headerPiece(part.header), at: header });
    // A section without file contents, such as .bss, keeps its size.
    if (part.pieces.length === 0) return;
    // Without the section table offset, no reader finds anything.
    view.setBigUint64(header + 24, BigInt(start), little);
    if (!fitting) return;
    view.setBigUint64(header + 32, BigInt(at - start), little);
    if (part.what !== "plain") fit(view, part, start, little);
  });
  view.setBigUint64(40, BigInt(table), little);
  view.setUint16(60, parts.length, little);
  return { bytes, placed };
}

/** Writes the sizes of the parts into the header of `.BTF` or `.BTF.ext`. */
function fit(view: DataView, { what, pieces }: Part, start: number, little: boolean): void {
  const [header, ...rest] = pieces;
  if (header === undefined || header.bytes.length < 24) return;
  let offset = 0;
  const word = (at: number, value: number): void => view.setUint32(start + at, value, little);
  word(4, header.bytes.length);
  const lengthOf = (wanted: (piece: Piece) => boolean): number => {
    let length = 0;
    for (const piece of rest) if (wanted(piece)) length += piece.bytes.length;
    return length;
  };
  const write = (at: number, length: number): void => {
    word(at, offset);
    word(at + 4, length);
    offset += length;
  };
  if (what === "btf") {
    write(8, lengthOf((piece) => piece.what !== "btf.strings" && piece.what !== "btf.layout"));
    write(16, lengthOf((piece) => piece.what === "btf.strings"));
    if (header.bytes.length >= 32) write(24, lengthOf((piece) => piece.what === "btf.layout"));
  } else {
    EXT_PARTS.forEach((name, part) => {
      if (8 + part * 8 + 8 > header.bytes.length) return;
      write(8 + part * 8, lengthOf((piece) => piece.what.startsWith(name)));
    });
  }
}
