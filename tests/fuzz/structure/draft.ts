/**
 * An object in pieces under change, with the structural mutations.
 *
 * @module
 */

import type { Random } from "../random.ts";
import type { Anatomy, Part, Piece } from "./anatomy.ts";
import { BTF_HEADER, BTF_TYPES } from "./fields.ts";

/**
 * Names that are harmful where they are printed: paths, comments, strings, prototypes, terminals.
 */
export const HOSTILE_NAMES: readonly string[] = [
  "../victim/secrets",
  "..",
  ".",
  "a/b",
  "*/ evil(); /*",
  "\u2028evil()",
  '"; evil(); "',
  "`${evil()}`",
  "\\",
  "\\\n",
  "// x\nevil()",
  "a b",
  "1st",
  "__proto__",
  "constructor",
  "toString",
  "class",
  "struct",
  "int",
  "a___b",
  "___b",
  "\x1b[2J\x1b]0;x\x07",
  "\x9b31m",
  "\u202egnp.exe",
  "\u2066a\u2069",
  "\ufeff",
  "\u{1f41d}",
  "\ud7ff",
  "\xff\xfe",
  "%s%n",
  "</script>",
  "exception_callback:main",
  "btf:arena",
  "kconfig",
  ".rodata",
  "CONFIG_HZ",
  "LINUX_KERNEL_VERSION",
  "x".repeat(300),
  "\x7f",
  "?",
  "iter/x",
  "kprobe/../../x",
  "uprobe//proc/self/exe:main+0xffffffffffffffff",
  "usdt/:::",
  "tracepoint/a/b/c",
  "xdp.frags/../x",
  "struct_ops.link",
  "cgroup/connect4",
  "kprobe.multi/[*?]",
];

/** A draft: the parts of {@linkcode Anatomy}, to be replaced. */
export class Draft {
  /** The byte order. */
  readonly littleEndian: boolean;
  /** The changes, for the report. */
  readonly reached: string[] = [];
  /** The parts as they are now. */
  readonly parts: Part[];
  readonly #seed: Anatomy;
  readonly #random: Random;

  /** Starts from a seed, which is not changed. */
  constructor(seed: Anatomy, random: Random) {
    this.#seed = seed;
    this.#random = random;
    this.littleEndian = seed.littleEndian;
    this.parts = [...seed.parts];
  }

  /** Returns the draft as pieces. */
  anatomy(): Anatomy {
    return { ...this.#seed, parts: this.parts };
  }

  /** Makes one random structural change. */
  step(): void {
    const random = this.#random;
    switch (random.below(12)) {
      case 0:
      case 1:
        return this.#changeElements();
      case 2:
        return this.#changePieces();
      case 3:
      case 4:
        return this.#addType();
      case 5:
      case 6:
        return this.#rename();
      case 7:
      case 8:
        return this.#changeAccess();
      case 9:
        return this.#changeSections();
      case 10:
        return this.#changeRecordSize();
      case 11:
        return this.#addLayout();
    }
  }

  /** Repeats a piece's element, or the piece itself, so many times. */
  repeat(part: number, piece: number, times: number): void {
    const one = this.parts[part]?.pieces[piece];
    if (one === undefined) return;
    const copies = one.elementSize === 0 || one.bytes.length < one.headSize + one.elementSize
      ? new Array<Piece>(times).fill(one)
      : [withElements(one, this.littleEndian, (elements) => {
        const all: Uint8Array[] = [];
        for (let time = 0; time < times; time++) for (const one of elements) all.push(one);
        return all;
      })];
    this.#splice(part, piece, 1, copies);
  }

  #splice(part: number, at: number, remove: number, pieces: readonly Piece[]): void {
    const old = this.parts[part] as Part;
    this.parts[part] = {
      ...old,
      pieces: [...old.pieces.slice(0, at), ...pieces, ...old.pieces.slice(at + remove)],
    };
  }

  /** A random part with contents, and one of its pieces that is wanted. */
  #find(wanted: (piece: Piece, part: Part) => boolean): [part: number, piece: number] | undefined {
    const found: [number, number][] = [];
    this.parts.forEach((part, at) =>
      part.pieces.forEach((piece, index) => {
        if (wanted(piece, part)) found.push([at, index]);
      })
    );
    return found.length === 0 ? undefined : this.#random.pick(found);
  }

  #pieceOf(what: string): [part: number, piece: number] | undefined {
    return this.#find((piece) => piece.what === what);
  }

  #changeElements(): void {
    const random = this.#random;
    const place = this.#find(({ elementSize, element }) => elementSize > 0 && element.length > 0);
    if (place === undefined) return;
    const [part, index] = place;
    const piece = this.parts[part]?.pieces[index] as Piece;
    const action = random.pick(["repeat", "remove", "swap", "copy"]);
    this.reached.push(`${piece.what}: ${action} elements`);
    const changed = withElements(piece, this.littleEndian, (elements) => {
      if (elements.length === 0) return elements;
      const at = random.below(elements.length);
      const other = random.below(elements.length);
      const one = elements[at] as Uint8Array;
      switch (action) {
        case "repeat":
          elements.splice(at, 0, ...new Array<Uint8Array>(random.pick([1, 2, 16, 64])).fill(one));
          break;
        case "remove":
          elements.splice(at, 1 + random.below(3));
          break;
        case "swap":
          elements[at] = elements[other] as Uint8Array;
          elements[other] = one;
          break;
        default:
          elements[at] = elements[other] as Uint8Array;
      }
      return elements;
    });
    this.#splice(part, index, 1, [changed]);
  }

  #changePieces(): void {
    const random = this.#random;
    const place = this.#find((_, part) => part.pieces.length > 2);
    if (place === undefined) return;
    const [part, index] = place;
    const pieces = this.parts[part]?.pieces ?? [];
    const piece = pieces[index] as Piece;
    const action = random.pick(["repeat", "remove", "swap"]);
    this.reached.push(`${piece.what}: ${action}`);
    if (action === "repeat") {
      this.#splice(part, index, 0, new Array<Piece>(random.pick([1, 2, 16])).fill(piece));
    } else if (action === "remove") {
      this.#splice(part, index, 1, []);
    } else {
      const other = random.below(pieces.length);
      const second = pieces[other] as Piece;
      this.#splice(part, index, 1, [second]);
      this.#splice(part, other, 1, [piece]);
    }
  }

  /** Adds a type of any kind at the end, and makes one reference point to it. */
  #addType(): void {
    const random = this.#random;
    const strings = this.#pieceOf("btf.strings");
    if (strings === undefined) return;
    const [part, at] = strings;
    const pieces = this.parts[part]?.pieces ?? [];
    const id = pieces.filter(({ what }) => what !== "btf.header" && what !== "btf.layout").length;
    const kind = 1 + random.below(BTF_TYPES.length - 1);
    const type = BTF_TYPES[kind] as typeof BTF_TYPES[number];
    const vlen = type.elementSize === 0 ? 0 : random.pick([0, 1, 2, 5]);
    const bytes = new Uint8Array(type.headSize + vlen * type.elementSize);
    const view = new DataView(bytes.buffer);
    const length = pieces[at]?.bytes.length ?? 1;
    const fill = (fields: typeof type.head, from: number): void => {
      for (const { at, role, bits } of fields) {
        if (bits !== undefined) continue;
        const value = role === "type"
          ? random.below(id + 1)
          : role === "string"
          ? random.pick([0, random.below(length)])
          : role === "size"
          ? random.pick([0, 1, 4, 8, 16, 64])
          : random.pick([0, 1, 8, 32]);
        view.setUint32(from + at, value, this.littleEndian);
      }
    };
    fill(type.head, 0);
    const flag = random.below(4) === 0 ? 0x80000000 : 0;
    view.setUint32(4, (kind << 24 | vlen | flag) >>> 0, this.littleEndian);
    for (let element = 0; element < vlen; element++) {
      fill(type.element, type.headSize + element * type.elementSize);
    }
    const { head, headSize, element, elementSize } = type;
    const added: Piece = {
      what: `btf.${type.kind}`,
      bytes,
      head,
      headSize,
      element,
      elementSize,
      count: elementSize === 0 ? undefined : "vlen",
    };
    this.reached.push(`btf.${type.kind}: add`);
    this.#splice(part, at, 0, [added]);
    this.#point("type", id, (piece) => piece.what.startsWith("btf."));
  }

  /** Gives something a hostile name. */
  #rename(): void {
    const random = this.#random;
    const name = random.pick(HOSTILE_NAMES);
    const target = random.pick(["btf.", "symbols", "section", "ext."]);
    if (target === "section") return this.#renameSection(name);
    const strings = target === "symbols" ? this.#symbolNames() : this.#pieceOf("btf.strings");
    if (strings === undefined) return;
    const offset = this.#append(strings, name);
    this.reached.push(`${target === "symbols" ? "symbol" : target.slice(0, 3)}: rename`);
    this.#point("string", offset, (piece) => piece.what.startsWith(target));
  }

  #renameSection(name: string): void {
    const random = this.#random;
    const strings = this.#symbolNames();
    if (strings === undefined) return;
    const offset = this.#append(strings, name);
    const at = random.below(this.parts.length);
    const part = this.parts[at] as Part;
    const header = part.header.slice();
    new DataView(header.buffer).setUint32(0, offset, this.littleEndian);
    this.parts[at] = { ...part, header };
    this.reached.push("section: rename");
  }

  #symbolNames(): [part: number, piece: number] | undefined {
    const { names } = this.#seed;
    return this.parts[names]?.pieces.length === 1 ? [names, 0] : this.#pieceOf("names");
  }

  /** Appends a string to a table; returns its offset. */
  #append([part, at]: [number, number], text: string): number {
    const old = this.parts[part]?.pieces[at] as Piece;
    const added = new TextEncoder().encode(text + "\0");
    // \xff stands for a byte that is invalid UTF-8.
    if (text === "\xff\xfe") added.set([0xff, 0xfe]);
    const bytes = new Uint8Array(old.bytes.length + added.length);
    bytes.set(old.bytes);
    bytes.set(added, old.bytes.length);
    this.#splice(part, at, 1, [{ ...old, bytes }]);
    return old.bytes.length;
  }

  /** Makes one field with that role hold a value. */
  #point(role: "type" | "string", value: number, wanted: (piece: Piece) => boolean): void {
    const random = this.#random;
    const place = this.#find((piece) =>
      wanted(piece) && [...piece.head, ...piece.element].some((field) => field.role === role)
    );
    if (place === undefined) return;
    const [part, index] = place;
    const old = this.parts[part]?.pieces[index] as Piece;
    const bytes = old.bytes.slice();
    const view = new DataView(bytes.buffer);
    const elements = elementsOf(old);
    const candidates = [
      ...old.head.filter((field) => field.role === role).map(({ at }) => at),
      ...(elements === 0
        ? []
        : old.element.filter((field) => field.role === role).map(({ at }) =>
          old.headSize + random.below(elements) * old.elementSize + at
        )),
    ].filter((at) => at + 4 <= bytes.length);
    if (candidates.length === 0) return;
    view.setUint32(random.pick(candidates), value, this.littleEndian);
    this.#splice(part, index, 1, [{ ...old, bytes }]);
  }

  /** Changes the access string of a CO-RE relocation. */
  #changeAccess(): void {
    const place = this.#pieceOf("ext.core");
    const strings = this.#pieceOf("btf.strings");
    if (place === undefined || strings === undefined) return;
    const random = this.#random;
    const index = (): string =>
      String(random.pick([0, 0, 1, 2, 3, random.below(16), -1, 0x7fffffff, 0xffffffff, 2 ** 32]));
    const access = random.below(6) === 0
      ? random.pick(["", ":", "0:", ":0", "0::0", "0x1", "0:a", " 0", "0 ", "0:+1", "00:01", "٠"])
      : Array.from({ length: random.pick([1, 2, 3, 4, 8, 63, 64, 65, 500]) }, index).join(":");
    const offset = this.#append(strings, access);
    const piece = this.parts[place[0]]?.pieces[place[1]] as Piece;
    this.reached.push("ext.core: access string");
    const changed = withElements(piece, this.littleEndian, (elements) => {
      const at = random.below(Math.max(1, elements.length));
      const old = elements[at];
      if (old === undefined || old.length < 16) return elements;
      const bytes = old.slice();
      const view = new DataView(bytes.buffer);
      view.setUint32(8, offset, this.littleEndian);
      if (random.below(2) === 0) view.setUint32(12, random.below(14), this.littleEndian);
      elements[at] = bytes;
      return elements;
    });
    this.#splice(place[0], place[1], 1, [changed]);
  }

  #changeSections(): void {
    const random = this.#random;
    const at = 1 + random.below(Math.max(1, this.parts.length - 1));
    const part = this.parts[at];
    if (part === undefined) return;
    const action = random.pick(["repeat", "empty", "swap", "remove"]);
    this.reached.push(`section: ${action}`);
    switch (action) {
      case "repeat":
        // At the end, so that other indexes stay valid.
        for (let copy = random.pick([1, 2, 20]); copy > 0; copy--) this.parts.push(part);
        break;
      case "empty":
        this.parts[at] = { ...part, pieces: [] };
        break;
      case "remove":
        this.parts.splice(at, 1);
        break;
      default: {
        const other = random.below(this.parts.length);
        this.parts[at] = this.parts[other] as Part;
        this.parts[other] = part;
      }
    }
  }

  /** Changes the record size of one part of `.BTF.ext`. */
  #changeRecordSize(): void {
    const random = this.#random;
    const at = this.parts.findIndex(({ what }) => what === "ext");
    const part = this.parts[at];
    if (part === undefined) return;
    const what = random.pick(["ext.func", "ext.line", "ext.core"]);
    const change = random.pick([4, 4, 8, 16, -4, -8, 2]);
    this.reached.push(`${what}: record size`);
    const pieces = part.pieces.map((piece): Piece => {
      if (piece.what === `${what}.record_size`) {
        const bytes = piece.bytes.slice();
        const view = new DataView(bytes.buffer);
        view.setUint32(0, view.getUint32(0, this.littleEndian) + change, this.littleEndian);
        return { ...piece, bytes };
      }
      if (piece.what !== what) return piece;
      const elementSize = piece.elementSize + change;
      if (elementSize <= 0) return piece;
      return {
        ...withElements(piece, this.littleEndian, (elements) =>
          elements.map((old) => {
            const bytes = new Uint8Array(elementSize);
            bytes.set(old.subarray(0, elementSize));
            return bytes;
          })),
        elementSize,
        element: piece.element.filter(({ at, size }) => at + size <= elementSize),
      };
    });
    this.parts[at] = { ...part, pieces };
  }

  /** The longer header of BTF with a section that gives the sizes of kinds. */
  #addLayout(): void {
    const random = this.#random;
    const at = this.parts.findIndex(({ what }) => what === "btf");
    const part = this.parts[at];
    const [header, ...rest] = part?.pieces ?? [];
    if (part === undefined || header === undefined || header.bytes.length !== 24) return;
    const bytes = new Uint8Array(32);
    bytes.set(header.bytes);
    const layout = new Uint8Array(4 * random.pick([0, 20, 21, 128]));
    for (let byte = 0; byte < layout.length; byte++) layout[byte] = random.pick([0, 0, 4, 8, 255]);
    const plain = { head: [], headSize: 0, element: [], elementSize: 1 };
    this.reached.push("btf.header: layout");
    this.parts[at] = {
      ...part,
      pieces: [
        { ...header, bytes, head: BTF_HEADER, headSize: 32 },
        ...rest,
        { ...plain, what: "btf.layout", bytes: layout },
      ],
    };
  }
}

/** The number of whole elements in a piece. */
export function elementsOf({ bytes, headSize, elementSize }: Piece): number {
  if (elementSize === 0) return 0;
  return Math.max(0, Math.floor((bytes.length - headSize) / elementSize));
}

/** A piece with other elements, and their number where it is written. */
export function withElements(
  piece: Piece,
  little: boolean,
  change: (elements: Uint8Array[]) => Uint8Array[],
): Piece {
  const { bytes: old, headSize, elementSize } = piece;
  const elements: Uint8Array[] = [];
  for (let index = 0; index < elementsOf(piece); index++) {
    const at = headSize + index * elementSize;
    elements.push(old.subarray(at, at + elementSize));
  }
  const changed = change(elements);
  let length = headSize;
  for (const one of changed) length += one.length;
  const bytes = new Uint8Array(length);
  bytes.set(old.subarray(0, headSize));
  let at = headSize;
  for (const one of changed) {
    bytes.set(one, at);
    at += one.length;
  }
  if (piece.count !== undefined && headSize >= 8) {
    const view = new DataView(bytes.buffer);
    const info = view.getUint32(4, little);
    const count = changed.length;
    const word = piece.count === "word" ? count : (info & 0xff000000 | count & 0xffffff) >>> 0;
    view.setUint32(4, word, little);
  }
  return { ...piece, bytes };
}
