/**
 * BTF: the types of an object or of the kernel, indexed in one pass and decoded one by one.
 *
 * @module
 */

import { StringTable } from "../elf/string_table.ts";
import { alignmentOf, resolveType, sizeOf } from "./layout.ts";
import { decodeType } from "./decode.ts";
import { BtfError } from "./error.ts";
import { NameIndex, sameBytes, utf8Bytes } from "./name_index.ts";
import { type BtfTables, readHeader, readTables } from "./tables.ts";
import { type BtfType, Kind, type KindName, KINDS } from "./types.ts";
import { validate } from "./validate.ts";

/** How {@linkcode Btf.parse} reads. */
export interface BtfOptions {
  /** The BTF that this one goes on from: the kernel's, for a module's. */
  readonly base?: Btf | undefined;
  /** What errors call it; `"BTF"` unless told. */
  readonly name?: string | undefined;
  /**
   * The kernel made it: ids and names are checked as they are used and not all at once.
   *
   * What is wrong is still a {@linkcode BtfError}, only later.
   */
  readonly trusted?: boolean | undefined;
}

/** From this number of look-ups of a kind on, its hash index is worth its building. */
const LOOKUPS_BEFORE_INDEX = 4;

/** The raw parts of a BTF, for those who copy or change it. */
export interface RawTypes {
  /** The types. */
  readonly tables: BtfTables;
  /** The own names. */
  readonly strings: Uint8Array;
  /** The same, to be looked up. */
  readonly names: StringTable;
  /** The layout section; empty where there is none. */
  readonly layout: Uint8Array;
}

/** The raw parts of a BTF; not part of the public API. */
export let rawTypes: (btf: Btf) => RawTypes;

/**
 * The types of one object, of the kernel or of a module.
 *
 * Parsing makes three typed arrays (about nine bytes per type) and no object; {@linkcode Btf.type}
 * decodes a type at first use and keeps it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Btf, BtfBuilder } from "@skep/skep/btf";
 *
 * const builder = new BtfBuilder();
 * builder.addInt("int", 4, "signed");
 * const btf = Btf.parse(builder.build());
 * assertEquals(btf.find("int", "int"), 1);
 * assertEquals(btf.size(1), 4);
 * ```
 */
export class Btf {
  /** The BTF that this one goes on from. */
  readonly base?: Btf | undefined;
  /** What errors call it. */
  readonly name: string;
  /** The byte order of {@linkcode Btf.bytes}. */
  readonly littleEndian: boolean;
  /** The raw bytes, header included. */
  readonly bytes: Uint8Array;
  /** The first id of its own: 1, or for split BTF one past the base's last. */
  readonly firstId: number;
  /** One past the last id; all ids below are valid, those of the base included. */
  readonly endId: number;
  /** Where its own names start; 0, or for split BTF where the base's end. */
  readonly firstString: number;
  /** One past the last string offset, those of the base included. */
  readonly endString: number;

  readonly #tables: BtfTables;
  readonly #layout: Uint8Array;
  readonly #strings: StringTable;
  readonly #types: Map<number, BtfType> = new Map();
  readonly #alignments: Map<number, number> = new Map();
  /** By kind. */
  readonly #lookups: Uint8Array = new Uint8Array(32);
  readonly #indexes: (NameIndex | undefined)[] = [];

  static {
    rawTypes = (btf) => ({
      tables: btf.#tables,
      strings: btf.#strings.bytes,
      names: btf.#strings,
      layout: btf.#layout,
    });
  }

  private constructor(bytes: Uint8Array, options: BtfOptions) {
    this.bytes = bytes;
    this.name = options.name ?? "BTF";
    const { base } = options;
    if (base !== undefined) this.base = base;
    const header = readHeader(bytes, this.name, base !== undefined);
    this.littleEndian = header.littleEndian;
    this.#strings = new StringTable(header.strings);
    this.firstString = base?.endString ?? 0;
    this.endString = this.firstString + header.strings.length;
    this.#layout = header.layout;
    this.#tables = readTables(bytes, header, this.name, base === undefined);
    this.firstId = base?.endId ?? 1;
    // Without a base, entry 0 of the tables is void.
    this.endId = (base?.endId ?? 0) + this.#tables.count;
    if (options.trusted !== true) validate(this, this.#tables, this.#strings, this.#zeroId);
  }

  /**
   * Parses a BTF blob of either byte order.
   *
   * The bytes are kept and must not change. A header longer than is known, and kinds that its layout
   * section describes, are skipped over.
   *
   * @throws {BtfError} for malformed BTF, by libbpf's rules.
   */
  static parse(bytes: Uint8Array, options: BtfOptions = {}): Btf {
    return new Btf(bytes, options);
  }

  /** The id of entry 0 of the tables. */
  get #zeroId(): number {
    return this.base?.endId ?? 0;
  }

  /** The number of a type's kind, without decoding the type. */
  kind(id: number): number {
    const entry = id - this.#zeroId;
    if (entry < 0 && id >= 0 && this.base !== undefined) return this.base.kind(id);
    return this.#tables.kinds[this.#entry(id)] as number;
  }

  /** The name of a type's kind, without decoding the type. */
  kindName(id: number): KindName | "unknown" {
    return KINDS[this.kind(id)] ?? "unknown";
  }

  /** A type's name, without decoding the type; empty for an anonymous one. */
  nameOf(id: number): string {
    if (this.base !== undefined && id < this.firstId) return this.base.nameOf(id);
    const offset = this.#tables.nameOffsets[this.#entry(id)] as number;
    return offset === 0 ? "" : this.string(offset);
  }

  /**
   * A type, decoded at first use and then the same object each time.
   *
   * @throws {BtfError} for an id out of range.
   */
  type(id: number): BtfType {
    if (this.base !== undefined && id < this.firstId) return this.base.type(id);
    let type = this.#types.get(id);
    if (type === undefined) {
      type = decodeType(this, this.#tables, this.#entry(id), id);
      this.#types.set(id, type);
    }
    return type;
  }

  /**
   * The lowest id with that name and kind, in the base first.
   *
   * The first look-ups of a kind scan; after that a hash index of that kind is built.
   */
  find(name: string, kind: KindName | readonly KindName[]): number | undefined {
    return this.base?.find(name, kind) ?? this.findOwn(name, kind);
  }

  /** Like {@linkcode Btf.find}, but never in the base: what a module itself defines. */
  findOwn(name: string, kind: KindName | readonly KindName[]): number | undefined {
    if (name === "") return undefined;
    const bytes = utf8Bytes(name);
    let found = -1;
    let unindexed = 0;
    for (const one of typeof kind === "string" ? [kind] : kind) {
      const number = Kind[one];
      const index = this.#indexes[number] ?? this.#countLookup(number);
      if (index === undefined) {
        unindexed |= 1 << number;
      } else {
        const entry = index.find(bytes);
        if (entry >= 0 && (found < 0 || entry < found)) found = entry;
      }
    }
    if (unindexed !== 0) {
      const entry = this.#scan(bytes, unindexed);
      if (entry >= 0 && (found < 0 || entry < found)) found = entry;
    }
    return found < 0 ? undefined : found + this.#zeroId;
  }

  /** All ids with that name and one of these kinds, ascending, those of the base included. */
  findAll(name: string, kinds: KindName | readonly KindName[]): number[] {
    const ids = this.base?.findAll(name, kinds) ?? [];
    return name === "" ? ids : ids.concat(this.#findEntries(name, kinds, true));
  }

  /**
   * All own ids (never the base's) whose name, up to its `___flavor`, is this one; ascending.
   *
   * The first step of CO-RE.
   */
  candidates(name: string, kinds: KindName | readonly KindName[]): number[] {
    return name === "" ? [] : this.#findEntries(name, kinds, false);
  }

  /**
   * The type behind typedefs, `const`, `volatile`, `restrict` and type tags.
   *
   * @throws {BtfError} for a cycle.
   */
  resolve(id: number): number {
    return resolveType(this, id);
  }

  /**
   * Bytes that a value of the type takes; a pointer takes eight.
   *
   * @throws {BtfError} for a type without size: void, a function, a forward declaration.
   */
  size(id: number): number {
    return sizeOf(this, id);
  }

  /**
   * The natural alignment in bytes, as libbpf's `btf__align_of` finds it: 1 for a packed struct.
   *
   * @throws {BtfError} for a type without size.
   */
  alignment(id: number): number {
    return alignmentOf(this, id, this.#alignments);
  }

  /**
   * The name at an offset of the string section; split BTF's offsets go on where the base's end.
   *
   * @throws {BtfError} for an offset past the end.
   */
  string(offset: number): string {
    if (this.base !== undefined && offset < this.firstString) return this.base.string(offset);
    const text = this.#strings.at(offset - this.firstString);
    if (text === undefined) {
      throw new BtfError({
        subject: this.name,
        why: `a name is at ${offset}, past the last one at ${this.endString}`,
        data: { stringOffset: offset },
      });
    }
    return text;
  }

  #entry(id: number): number {
    const entry = id - this.#zeroId;
    if (entry >= 0 && entry < this.#tables.count && Number.isInteger(entry)) return entry;
    throw new BtfError({
      subject: this.name,
      why: `there is no type ${id}; ids end at ${this.endId - 1}`,
      data: { typeId: id },
    });
  }

  /** The strings that an own offset points into, and where they start. */
  #stringBytes(offset: number): { readonly bytes: Uint8Array; readonly from: number } {
    if (this.base !== undefined && offset < this.firstString) {
      return this.base.#stringBytes(offset);
    }
    return { bytes: this.#strings.bytes, from: this.firstString };
  }

  /** The first own entry of that name, by going through all of that kind. */
  #scan(name: Uint8Array, mask: number): number {
    const { kinds, nameOffsets, count } = this.#tables;
    const bytes = this.#strings.bytes;
    const from = this.firstString;
    for (let entry = 0; entry < count; entry++) {
      const kind = kinds[entry] as number;
      if (kind >= 32 || (mask >>> kind & 1) === 0) continue;
      const offset = nameOffsets[entry] as number;
      if (offset >= from) {
        if (sameBytes(bytes, offset - from, name)) return entry;
      } else {
        const base = this.#stringBytes(offset);
        if (sameBytes(base.bytes, offset - base.from, name)) return entry;
      }
    }
    return -1;
  }

  #findEntries(name: string, kinds: KindName | readonly KindName[], exact: boolean): number[] {
    const bytes = utf8Bytes(name);
    const found: number[] = [];
    if (typeof kinds === "string") {
      this.#index(Kind[kinds]).findAll(bytes, exact, found);
    } else {
      for (const kind of kinds) this.#index(Kind[kind]).findAll(bytes, exact, found);
      found.sort((a, b) => a - b);
    }
    const zeroId = this.#zeroId;
    for (let at = 0; at < found.length; at++) found[at] = (found[at] as number) + zeroId;
    return found;
  }

  #countLookup(kind: number): NameIndex | undefined {
    const lookups = (this.#lookups[kind] as number) + 1;
    if (lookups > LOOKUPS_BEFORE_INDEX) return this.#index(kind);
    this.#lookups[kind] = lookups;
    return undefined;
  }

  #index(kind: number): NameIndex {
    return this.#indexes[kind] ??= new NameIndex(
      this.#tables,
      (offset) => this.#stringBytes(offset),
      kind,
    );
  }
}
