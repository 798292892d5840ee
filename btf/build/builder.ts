/**
 * Builds and edits BTF.
 *
 * @module
 */

import { type Btf, rawTypes } from "../btf.ts";
import { encodeType, type TypeDefinition } from "./encode.ts";
import { BtfError } from "../error.ts";
import { forEachReference } from "./references.ts";
import {
  type Enumerator,
  type IntType,
  Kind,
  KINDS,
  type Member,
  type Parameter,
  type SectionVariable,
} from "../types.ts";

/** Options of a new {@linkcode BtfBuilder}. */
export interface BtfBuilderOptions {
  /** The BTF to extend: ids and string offsets continue after its last. */
  readonly base?: Btf | undefined;
}

/** Options of {@linkcode BtfBuilder.build}. */
export interface BtfBuildOptions {
  /**
   * Whether to write little-endian BTF.
   *
   * @default {undefined} the byte order of the source; without one, that of the base; else little-endian
   */
  readonly littleEndian?: boolean | undefined;
  /**
   * Whether to keep the source's layout section, which kernels before 7.1 refuse.
   *
   * @default {true}
   */
  readonly layout?: boolean | undefined;
}

const HEADER_SIZE = 24;
const encoder = new TextEncoder();

/**
 * Builds BTF, or edits existing BTF: ids stay the same, types and names are appended.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Btf, BtfBuilder } from "@skep/skep/btf";
 *
 * const builder = new BtfBuilder();
 * const int = builder.addInt("int", 4, "signed");
 * builder.addStruct("point", 8, [
 *   { name: "x", type: int, bitOffset: 0, bitSize: 0 },
 *   { name: "y", type: int, bitOffset: 32, bitSize: 0 },
 * ]);
 * assertEquals(Btf.parse(builder.build()).find("point", "struct"), 2);
 * ```
 */
export class BtfBuilder {
  /** The BTF that this one extends. */
  readonly base?: Btf | undefined;
  /** The first id, after those of the base. */
  readonly firstId: number;

  readonly #littleEndian: boolean;
  readonly #layout: Uint8Array;
  readonly #firstString: number;
  /** The words of the source's types, as a copy that can be edited in place. */
  #words: Uint32Array;
  #starts: Uint32Array;
  /** The entry of `#starts` for id `firstId`. */
  #firstEntry: number;
  /** Number of types in `#words`. */
  readonly #kept: number;
  /** Types of the source replaced by types of another length, by entry. */
  readonly #replaced: Map<number, Uint32Array> = new Map();
  /** Added types. */
  readonly #added: Uint32Array[] = [];
  /** The strings of the source. */
  readonly #keptStrings: Uint8Array;
  readonly #addedStrings: Uint8Array[] = [];
  #stringsLength: number;
  #stringOffsets: Map<string, number> | undefined;

  /** Starts empty, or as an extension of a base. */
  constructor(options: BtfBuilderOptions = {}, source?: Btf) {
    const base = source === undefined ? options.base : source.base;
    if (base !== undefined) this.base = base;
    this.firstId = base?.endId ?? 1;
    this.#firstString = base?.endString ?? 0;
    if (source === undefined) {
      this.#littleEndian = base?.littleEndian ?? true;
      this.#layout = new Uint8Array(0);
      this.#words = new Uint32Array(0);
      this.#starts = new Uint32Array(0);
      this.#firstEntry = 0;
      this.#kept = 0;
      this.#keptStrings = new Uint8Array(base === undefined ? 1 : 0);
    } else {
      const raw = rawTypes(source);
      this.#littleEndian = source.littleEndian;
      this.#layout = raw.layout;
      this.#words = raw.tables.words.slice();
      this.#starts = raw.tables.starts;
      this.#firstEntry = base === undefined ? 1 : 0;
      this.#kept = raw.tables.count - this.#firstEntry;
      this.#keptStrings = raw.strings;
    }
    this.#stringsLength = this.#keptStrings.length;
  }

  /** Starts with all types of a BTF under their ids; split BTF keeps its base. */
  static from(btf: Btf): BtfBuilder {
    return new BtfBuilder({}, btf);
  }

  /** One past the last id. */
  get endId(): number {
    return this.firstId + this.#kept + this.#added.length;
  }

  /** Returns the offset of a string and adds it when missing. */
  addString(text: string): number {
    if (text === "") return 0;
    if (this.#stringOffsets === undefined) this.#stringOffsets = this.#readStrings();
    let offset = this.#stringOffsets.get(text);
    if (offset === undefined) {
      if (text.includes("\0")) throw this.#error("a name contains a NUL");
      const bytes = encoder.encode(text + "\0");
      offset = this.#firstString + this.#stringsLength;
      this.#addedStrings.push(bytes);
      this.#stringsLength += bytes.length;
      this.#stringOffsets.set(text, offset);
    }
    return offset;
  }

  /** Adds a type and returns its id. Ids that it refers to may be added later. */
  add(type: TypeDefinition): number {
    this.#added.push(encodeType(type, (text) => this.addString(text)));
    return this.endId - 1;
  }

  /** Replaces the type of an id; references to the id are unchanged. */
  replace(id: number, type: TypeDefinition): void {
    const own = this.#own(id);
    const words = encodeType(type, (text) => this.addString(text));
    if (own >= this.#kept) {
      this.#added[own - this.#kept] = words;
      return;
    }
    const { words: old, at, end } = this.#place(own);
    if (end - at === words.length && old === this.#words) old.set(words, at);
    else this.#replaced.set(own, words);
  }

  /** Renames a type. */
  rename(id: number, name: string): void {
    const { words, at } = this.#place(this.#own(id));
    words[at] = this.addString(name);
  }

  /** Sets a function's linkage. */
  setFunctionLinkage(id: number, linkage: "static" | "global" | "extern"): void {
    const { words, at } = this.#expect(id, "func");
    words[at + 1] = ((words[at + 1] as number) & 0xff00_0000 | LINKAGE[linkage]) >>> 0;
  }

  /** Sets a function's prototype. */
  setFunctionType(id: number, type: number): void {
    const { words, at } = this.#expect(id, "func");
    words[at + 2] = type;
  }

  /** Sets a variable's type, linkage or both. */
  setVariable(
    id: number,
    change: {
      readonly type?: number | undefined;
      readonly linkage?: "static" | "global" | "extern" | undefined;
    },
  ): void {
    const { words, at } = this.#expect(id, "var");
    if (change.type !== undefined) words[at + 2] = change.type;
    if (change.linkage !== undefined) words[at + 3] = LINKAGE[change.linkage];
  }

  /** Sets a data section's size and, when given, its variables. */
  setDataSection(id: number, size: number, variables?: readonly SectionVariable[]): void {
    const { words, at } = this.#expect(id, "datasec");
    if (variables === undefined) {
      words[at + 2] = size;
      return;
    }
    const name = words[at] as number;
    const encoded = encodeType({ kind: "datasec", name: "", size, variables }, () => name);
    const own = id - this.firstId;
    const place = this.#place(own);
    if (place.end - place.at === encoded.length) words.set(encoded, at);
    else if (own >= this.#kept) this.#added[own - this.#kept] = encoded;
    else this.#replaced.set(own, encoded);
  }

  /** Adds an integer of `size` bytes; returns its id. */
  addInt(name: string, size: number, encoding: IntType["encoding"]): number {
    return this.add({ kind: "int", name, size, encoding });
  }

  /** Adds a floating-point number of `size` bytes; returns its id. */
  addFloat(name: string, size: number): number {
    return this.add({ kind: "float", name, size });
  }

  /** Adds a pointer; returns its id. */
  addPointer(type: number): number {
    return this.add({ kind: "ptr", name: "", type });
  }

  /** Adds a typedef; returns its id. */
  addTypedef(name: string, type: number): number {
    return this.add({ kind: "typedef", name, type });
  }

  /** Adds `const`; returns its id. */
  addConst(type: number): number {
    return this.add({ kind: "const", name: "", type });
  }

  /** Adds `volatile`; returns its id. */
  addVolatile(type: number): number {
    return this.add({ kind: "volatile", name: "", type });
  }

  /** Adds `restrict`; returns its id. */
  addRestrict(type: number): number {
    return this.add({ kind: "restrict", name: "", type });
  }

  /** Adds a type tag; returns its id. */
  addTypeTag(text: string, type: number): number {
    return this.add({ kind: "type_tag", name: text, type });
  }

  /** Adds a declaration tag, by default on the whole declaration (index -1); returns its id. */
  addDeclTag(text: string, type: number, componentIndex: number = -1): number {
    return this.add({ kind: "decl_tag", name: text, type, componentIndex });
  }

  /** Adds an array; returns its id. */
  addArray(type: number, indexType: number, length: number): number {
    return this.add({ kind: "array", name: "", type, indexType, length });
  }

  /** Adds a struct of `size` bytes; returns its id. */
  addStruct(name: string, size: number, members: readonly Member[]): number {
    return this.add({ kind: "struct", name, size, members });
  }

  /** Adds a union of `size` bytes; returns its id. */
  addUnion(name: string, size: number, members: readonly Member[]): number {
    return this.add({ kind: "union", name, size, members });
  }

  /** Adds an enumeration of at most 32 bits, signed when a value is negative; returns its id. */
  addEnum(name: string, size: number, values: readonly Enumerator[]): number {
    const signed = values.some(({ value }) => value < 0);
    return this.add({ kind: "enum", name, size, signed, values });
  }

  /** Adds an enumeration of 64 bits, signed when a value is negative; returns its id. */
  addEnum64(name: string, size: number, values: readonly Enumerator[]): number {
    const signed = values.some(({ value }) => value < 0);
    return this.add({ kind: "enum64", name, size, signed, values });
  }

  /** Adds a forward declaration; returns its id. */
  addForward(name: string, of: "struct" | "union"): number {
    return this.add({ kind: "fwd", name, of });
  }

  /** Adds a function prototype; returns its id. */
  addFunctionPrototype(returns: number, parameters: readonly Parameter[]): number {
    return this.add({ kind: "func_proto", name: "", returns, parameters });
  }

  /** Adds a function whose prototype is `type`; returns its id. */
  addFunction(name: string, type: number, linkage: "static" | "global" | "extern"): number {
    return this.add({ kind: "func", name, type, linkage });
  }

  /** Adds a variable; returns its id. */
  addVariable(name: string, type: number, linkage: "static" | "global" | "extern"): number {
    return this.add({ kind: "var", name, type, linkage });
  }

  /** Adds a data section of `size` bytes; returns its id. */
  addDataSection(name: string, size: number, variables: readonly SectionVariable[]): number {
    return this.add({ kind: "datasec", name, size, variables });
  }

  /**
   * Copies types of another BTF with their names, and translates the ids that they refer to with `typeId`.
   * Returns the id of the first.
   */
  copy(source: Btf, ids: Iterable<number>, typeId: (id: number) => number): number {
    const first = this.endId;
    for (const id of ids) {
      let owner = source;
      while (owner.base !== undefined && id < owner.firstId) owner = owner.base;
      const { tables } = rawTypes(owner);
      const entry = id - (owner.base?.endId ?? 0);
      if (!(entry >= 0 && entry < tables.count)) source.type(id);
      const start = tables.starts[entry] as number;
      const end = entry + 1 < tables.count ? tables.starts[entry + 1] : tables.words.length;
      const words = tables.words.slice(start, end);
      forEachReference(
        words,
        0,
        (at) => words[at] = typeId(words[at] as number),
        (at) => words[at] = words[at] === 0 ? 0 : this.addString(owner.string(words[at] as number)),
      );
      this.#added.push(words);
    }
    return first;
  }

  /** Returns the BTF: header, types, strings. */
  build(options: BtfBuildOptions = {}): Uint8Array<ArrayBuffer> {
    const littleEndian = options.littleEndian ?? this.#littleEndian;
    const layout = options.layout === false ? this.#layout.subarray(0, 0) : this.#layout;
    const parts = this.#parts();
    let typeBytes = 0;
    for (const part of parts) typeBytes += part.length * 4;
    const headerSize = layout.length > 0 ? HEADER_SIZE + 8 : HEADER_SIZE;
    const stringsAt = headerSize + typeBytes;
    const stringsPadded = layout.length > 0 ? this.#stringsLength + 3 & ~3 : this.#stringsLength;
    const bytes = new Uint8Array(stringsAt + stringsPadded + layout.length);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, 0xeb9f, littleEndian);
    view.setUint8(2, 1);
    view.setUint32(4, headerSize, littleEndian);
    view.setUint32(12, typeBytes, littleEndian);
    view.setUint32(16, typeBytes, littleEndian);
    view.setUint32(20, this.#stringsLength, littleEndian);
    if (layout.length > 0) {
      view.setUint32(24, typeBytes + stringsPadded, littleEndian);
      view.setUint32(28, layout.length, littleEndian);
      bytes.set(layout, stringsAt + stringsPadded);
    }
    let at = headerSize;
    for (const part of parts) {
      for (let index = 0; index < part.length; index++) {
        view.setUint32(at, part[index] as number, littleEndian);
        at += 4;
      }
    }
    bytes.set(this.#keptStrings, at);
    at += this.#keptStrings.length;
    for (const text of this.#addedStrings) {
      bytes.set(text, at);
      at += text.length;
    }
    return bytes;
  }

  /** Returns the words of all types in order, with as few pieces as there are replacements. */
  #parts(): Uint32Array[] {
    const parts: Uint32Array[] = [];
    let from = this.#kept > 0 ? this.#start(0) : 0;
    for (const [own, words] of [...this.#replaced].sort(([a], [b]) => a - b)) {
      parts.push(this.#words.subarray(from, this.#start(own)));
      parts.push(words);
      from = this.#start(own + 1);
    }
    parts.push(this.#words.subarray(from));
    for (const words of this.#added) parts.push(words);
    return parts;
  }

  /** Returns where an entry of the source starts in `#words`. */
  #start(own: number): number {
    return own < this.#kept ? this.#starts[own + this.#firstEntry] as number : this.#words.length;
  }

  #own(id: number): number {
    const own = id - this.firstId;
    if (own >= 0 && own < this.#kept + this.#added.length && Number.isInteger(own)) return own;
    throw this.#error(
      `there is no type ${id} to change; the ids are ${this.firstId} to ${this.endId - 1}`,
    );
  }

  /** Returns the words of a type, and its position in them. */
  #place(own: number): { readonly words: Uint32Array; readonly at: number; readonly end: number } {
    const alone = own >= this.#kept ? this.#added[own - this.#kept] : this.#replaced.get(own);
    if (alone !== undefined) return { words: alone, at: 0, end: alone.length };
    return { words: this.#words, at: this.#start(own), end: this.#start(own + 1) };
  }

  #expect(
    id: number,
    kind: "func" | "var" | "datasec",
  ): { readonly words: Uint32Array; readonly at: number } {
    const place = this.#place(this.#own(id));
    const number = (place.words[place.at + 1] as number) >>> 24 & 0x7f;
    if (number !== Kind[kind]) {
      throw this.#error(
        `type ${id} is a ${KINDS[number] ?? "type of unknown kind"}, not a ${kind}`,
      );
    }
    return place;
  }

  /** Returns the source's strings by their text. */
  #readStrings(): Map<string, number> {
    const offsets = new Map<string, number>();
    const bytes = this.#keptStrings;
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let from = 0;
    while (from < bytes.length) {
      const end = bytes.indexOf(0, from);
      const text = decoder.decode(bytes.subarray(from, end));
      if (text !== "" && !offsets.has(text)) offsets.set(text, this.#firstString + from);
      from = end + 1;
    }
    return offsets;
  }

  #error(why: string): BtfError {
    return new BtfError({ doing: "build", subject: "BTF", why });
  }
}

const LINKAGE: Readonly<Record<"static" | "global" | "extern", number>> = {
  static: 0,
  global: 1,
  extern: 2,
};
