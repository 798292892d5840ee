/**
 * BTF of an object, the kernel or a module: types indexed in one pass and decoded on demand.
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

/** Options of {@linkcode Btf.parse}. */
export interface BtfOptions {
  /** The BTF that this split BTF extends: for a module, that of vmlinux. */
  readonly base?: Btf | undefined;
  /**
   * The name that errors show.
   *
   * @default {"BTF"}
   */
  readonly name?: string | undefined;
  /**
   * Skips validation at parse time, for BTF from the kernel: ids and names are checked when they are used,
   * and what is malformed throws a {@linkcode BtfError} then.
   *
   * @default {false}
   */
  readonly trusted?: boolean | undefined;
}

/** Number of lookups by kind after which a hash index of that kind is built. */
const LOOKUPS_BEFORE_INDEX = 4;

/** The raw parts of a BTF, for code that copies or edits it. */
export interface RawTypes {
  /** The types. */
  readonly tables: BtfTables;
  /** The string section, without that of the base. */
  readonly strings: Uint8Array;
  /** The same strings, for lookup. */
  readonly names: StringTable;
  /** The layout section; empty when there is none. */
  readonly layout: Uint8Array;
}

/** Returns the raw parts of a BTF. Internal to this package. */
export let rawTypes: (btf: Btf) => RawTypes;

/**
 * The types of one object, of the kernel or of a module.
 *
 * Parsing allocates three typed arrays (about nine bytes per type) and no object; {@linkcode Btf.type}
 * decodes a type on first use and caches it.
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
  /** The BTF that this split BTF extends. */
  readonly base?: Btf | undefined;
  /** The name that errors show. */
  readonly name: string;
  /** The byte order of {@linkcode Btf.bytes}. */
  readonly littleEndian: boolean;
  /** The raw bytes, header included. */
  readonly bytes: Uint8Array;
  /** The first id: 1, or for split BTF the one after the base's last. */
  readonly firstId: number;
  /** One past the last id. All lower ids are valid, those of the base included. */
  readonly endId: number;
  /** Offset of the first string: 0, or for split BTF the end of the base's strings. */
  readonly firstString: number;
  /** One past the last string offset, those of the base included. */
  readonly endString: number;

  readonly #tables: BtfTables;
  readonly #layout: Uint8Array;
  readonly #strings: StringTable;
  readonly #types: Map<number, BtfType> = new Map();
  readonly #alignments: Map<number, number> = new Map();
  /** Lookups by kind. */
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
   * Parses BTF of either byte order.
   *
   * The bytes are referenced and must not change. Longer headers, and kinds that the layout section
   * describes, are skipped.
   *
   * @throws {BtfError} EINVAL for malformed BTF, by libbpf's rules.
   */
  static parse(bytes: Uint8Array, options: BtfOptions = {}): Btf {
    return new Btf(bytes, options);
  }

  /** The id of entry 0 of the tables. */
  get #zeroId(): number {
    return this.base?.endId ?? 0;
  }

  /** Returns the number of a type's kind without decoding the type. */
  kind(id: number): number {
    const entry = id - this.#zeroId;
    if (entry < 0 && id >= 0 && this.base !== undefined) return this.base.kind(id);
    return this.#tables.kinds[this.#entry(id)] as number;
  }

  /** Returns the name of a type's kind without decoding the type. */
  kindName(id: number): KindName | "unknown" {
    return KINDS[this.kind(id)] ?? "unknown";
  }

  /** Returns a type's name without decoding the type; empty for an anonymous one. */
  nameOf(id: number): string {
    if (this.base !== undefined && id < this.firstId) return this.base.nameOf(id);
    const offset = this.#tables.nameOffsets[this.#entry(id)] as number;
    return offset === 0 ? "" : this.string(offset);
  }

  /**
   * Returns a type. It is decoded on first use; later calls return the same object.
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
   * Returns the lowest id with that name and kind; the base is searched first.
   *
   * The first lookups of a kind scan the types; then a hash index of that kind is built.
   */
  find(name: string, kind: KindName | readonly KindName[]): number | undefined {
    return this.base?.find(name, kind) ?? this.findOwn(name, kind);
  }

  /** As {@linkcode Btf.find}, without the base: finds types that a module itself defines. */
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

  /** Returns all ids with that name and one of these kinds, ascending, those of the base included. */
  findAll(name: string, kinds: KindName | readonly KindName[]): number[] {
    const ids = this.base?.findAll(name, kinds) ?? [];
    return name === "" ? ids : ids.concat(this.#findEntries(name, kinds, true));
  }

  /**
   * Returns all ids, without the base's, whose name up to its `___flavor` equals `name`; ascending.
   *
   * This is the first step of CO-RE resolution.
   */
  candidates(name: string, kinds: KindName | readonly KindName[]): number[] {
    return name === "" ? [] : this.#findEntries(name, kinds, false);
  }

  /**
   * Returns the id of the type behind typedefs, `const`, `volatile`, `restrict` and type tags.
   *
   * @throws {BtfError} ELOOP for a cycle.
   */
  resolve(id: number): number {
    return resolveType(this, id);
  }

  /**
   * Returns the size of a type's value in bytes; 8 for a pointer.
   *
   * @throws {BtfError} for a type without a size: void, a function, a forward declaration.
   */
  size(id: number): number {
    return sizeOf(this, id);
  }

  /**
   * Returns the natural alignment in bytes by the rules of libbpf's `btf__align_of`: 1 for a packed struct.
   *
   * @throws {BtfError} for a type without a size.
   */
  alignment(id: number): number {
    return alignmentOf(this, id, this.#alignments);
  }

  /**
   * Returns the string at an offset; offsets of split BTF continue after those of the base.
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

  /** Returns the string section that an offset belongs to, and the offset of its start. */
  #stringBytes(offset: number): { readonly bytes: Uint8Array; readonly from: number } {
    if (this.base !== undefined && offset < this.firstString) {
      return this.base.#stringBytes(offset);
    }
    return { bytes: this.#strings.bytes, from: this.firstString };
  }

  /** Returns the first entry with that name by scanning all entries of the kinds in `mask`. */
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
