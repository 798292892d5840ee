/**
 * `.BTF.ext`: the function, source line and CO-RE relocation of instructions.
 *
 * @module
 */

import { NameMeter, SHARED_NAMES } from "../elf/string_table.ts";
import { type Btf, rawTypes } from "./btf.ts";
import { BtfError } from "./error.ts";

/** The kinds of CO-RE relocation, by number. */
export const CORE_KINDS = [
  "byte_offset",
  "byte_size",
  "field_exists",
  "signed",
  "lshift_u64",
  "rshift_u64",
  "local_type_id",
  "target_type_id",
  "type_exists",
  "type_size",
  "enumval_exists",
  "enumval_value",
  "type_matches",
] as const;

/** The kind of a CO-RE relocation (`enum bpf_core_relo_kind`). */
export type CoreKind = typeof CORE_KINDS[number];

/** The function that starts at an instruction (`struct bpf_func_info`). */
export interface FunctionRecord {
  /** Offset in the section in bytes. */
  readonly offset: number;
  /** The id of its `func`. */
  readonly typeId: number;
}

/** The source line of an instruction (`struct bpf_line_info`). */
export interface LineRecord {
  /** Offset in the section in bytes. */
  readonly offset: number;
  /** String offset of the file name. */
  readonly fileNameOffset: number;
  /** String offset of the line's text. */
  readonly lineOffset: number;
  /** The line in the upper 22 bits, the column in the lower 10. */
  readonly lineColumn: number;
  /** The line, counted from 1. */
  readonly line: number;
  /** The column, counted from 1; 0 when unknown. */
  readonly column: number;
  /** The file name. */
  readonly file: string;
  /** The line's text. */
  readonly source: string;
}

/** A CO-RE relocation (`struct bpf_core_relo`). */
export interface CoreRelocation {
  /** The code section. */
  readonly section: string;
  /** Offset in the section in bytes. */
  readonly offset: number;
  /** The id of the local type. */
  readonly typeId: number;
  /** The access as indices: `"0:1:2"`. */
  readonly access: string;
  /** The kind. */
  readonly kind: CoreKind;
}

/**
 * The records of one code section.
 *
 * `words` holds all records in host byte order, `recordSize / 4` words each; `records` decodes them on
 * first use.
 */
export class ExtSection<Record_> {
  /** The code section's name. */
  readonly section: string;
  /** Size of a record in bytes: at least 8 for functions, 16 for lines and for CO-RE. */
  readonly recordSize: number;
  /** Number of records. */
  readonly count: number;
  /** All records, `recordSize / 4` words each. */
  readonly words: Uint32Array;
  readonly #decode: (words: Uint32Array, at: number, section: string) => Record_;
  #records: readonly Record_[] | undefined;

  /** Takes the words without copying them. */
  constructor(
    section: string,
    recordSize: number,
    words: Uint32Array,
    decode: (words: Uint32Array, at: number, section: string) => Record_,
  ) {
    this.section = section;
    this.recordSize = recordSize;
    this.words = words;
    this.count = words.length / (recordSize / 4);
    this.#decode = decode;
  }

  /**
   * The decoded records.
   *
   * @throws {BtfError} for a string offset past the end, or an unknown kind of relocation.
   */
  get records(): readonly Record_[] {
    if (this.#records === undefined) {
      const step = this.recordSize / 4;
      const records = new Array<Record_>(this.count);
      for (let index = 0; index < records.length; index++) {
        records[index] = this.#decode(this.words, index * step, this.section);
      }
      this.#records = records;
    }
    return this.#records;
  }
}

const MAGIC = 0xeb9f;
const SHORTEST_HEADER = 24;

/**
 * The parts of the header: the position of their fields, their minimum record size, and the words of a
 * record that are string offsets.
 */
const PARTS = {
  function: { at: 8, shortest: 8, strings: [] },
  line: { at: 16, shortest: 16, strings: [1, 2] },
  core: { at: 24, shortest: 16, strings: [2] },
} as const;

/** The contents of a `.BTF.ext` section. */
export class BtfExt {
  /** The byte order of the section. */
  readonly littleEndian: boolean;
  /** Function records by code section. */
  readonly functions: readonly ExtSection<FunctionRecord>[];
  /** Source lines by code section. */
  readonly lines: readonly ExtSection<LineRecord>[];
  /** CO-RE relocations by code section. */
  readonly core: readonly ExtSection<CoreRelocation>[];

  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #btf: Btf;

  private constructor(bytes: Uint8Array, btf: Btf) {
    this.#bytes = bytes;
    this.#btf = btf;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < SHORTEST_HEADER) {
      throw this.#error(`the header ends after ${bytes.length} of ${SHORTEST_HEADER} bytes`, 0);
    }
    this.littleEndian = this.#view.getUint16(0, true) === MAGIC;
    if (!this.littleEndian && this.#view.getUint16(0, false) !== MAGIC) {
      throw this.#error("it does not start with 0xeb9f", 0);
    }
    if (bytes[2] !== 1) throw this.#error(`it is version ${bytes[2]}, not 1`, 2, "ENOTSUP");
    const headerLength = this.#view.getUint32(4, this.littleEndian);
    if (headerLength < SHORTEST_HEADER || headerLength > bytes.length || headerLength % 4 !== 0) {
      throw this.#error(
        `the header says it has ${headerLength} bytes, of ${bytes.length} in all`,
        4,
      );
    }
    this.functions = this.#part("function", headerLength, functionRecord);
    this.lines = this.#part(
      "line",
      headerLength,
      (words, at) => new Line(btf, words, at),
    );
    this.core = headerLength >= PARTS.core.at + 8
      ? this.#part(
        "core",
        headerLength,
        (words, at, section) => coreRecord(btf, words, at, section),
      )
      : [];
  }

  /**
   * Parses a `.BTF.ext` section; `btf` holds the strings and types that it refers to.
   *
   * @throws {BtfError} EINVAL for a malformed section, by libbpf's rules.
   */
  static parse(bytes: Uint8Array, btf: Btf): BtfExt {
    return new BtfExt(bytes, btf);
  }

  #part<Record_>(
    what: keyof typeof PARTS,
    headerLength: number,
    decode: (words: Uint32Array, at: number, section: string) => Record_,
  ): readonly ExtSection<Record_>[] {
    const { littleEndian } = this;
    const view = this.#view;
    const { at: field, shortest, strings } = PARTS[what];
    const offset = view.getUint32(field, littleEndian);
    const length = view.getUint32(field + 4, littleEndian);
    if (length === 0) return [];
    const start = headerLength + offset;
    const end = start + length;
    if (end > this.#bytes.length) {
      throw this.#error(
        `the ${what} records take bytes ${start} to ${end} of ${this.#bytes.length}`,
        field,
      );
    }
    if (offset % 4 !== 0) throw this.#error(`the ${what} records start at ${offset}`, field);
    if (length < 4) throw this.#error(`the ${what} records have ${length} bytes`, field + 4);
    const recordSize = view.getUint32(start, littleEndian);
    if (recordSize < shortest || recordSize % 4 !== 0) {
      throw this.#error(`a ${what} record has ${recordSize} bytes, not ${shortest}`, start);
    }
    const sections: ExtSection<Record_>[] = [];
    const meter = strings.length === 0
      ? undefined
      : NameMeter.for(rawTypes(this.#btf).names, length);
    let at = start + 4;
    if (at === end) throw this.#error(`there are no ${what} records`, start);
    while (at < end) {
      if (at + 8 > end) throw this.#error(`the ${what} records are cut off`, at);
      const name = view.getUint32(at, littleEndian);
      const count = view.getUint32(at + 4, littleEndian);
      if (count === 0) throw this.#error(`a section has no ${what} records`, at + 4);
      const from = at + 8;
      if (count * recordSize > end - from) {
        throw this.#error(
          `${count} ${what} records of ${recordSize} bytes are more than the ${
            end - from
          } that are left`,
          at + 4,
        );
      }
      at = from + count * recordSize;
      const words = this.#words(from, at);
      if (meter !== undefined) this.#count(meter, words, recordSize / 4, strings);
      sections.push(new ExtSection(this.#btf.string(name), recordSize, words, decode));
    }
    return sections;
  }

  /** Refuses records whose string offsets refer to more bytes of strings than allowed. */
  #count(meter: NameMeter, words: Uint32Array, step: number, strings: readonly number[]): void {
    const { firstString } = this.#btf;
    for (let record = 0; record < words.length; record += step) {
      for (const string of strings) {
        const offset = words[record + string] as number;
        if (offset < firstString || meter.count(offset - firstString)) continue;
        throw this.#error(SHARED_NAMES, 0, "E2BIG");
      }
    }
  }

  #words(from: number, to: number): Uint32Array {
    const words = new Uint32Array((to - from) / 4);
    for (let index = 0; index < words.length; index++) {
      words[index] = this.#view.getUint32(from + index * 4, this.littleEndian);
    }
    return words;
  }

  #error(why: string, offset: number, errno?: string): BtfError {
    return new BtfError({
      doing: "read .BTF.ext of",
      subject: this.#btf.name,
      why,
      data: { offset },
      errno,
    });
  }
}

function functionRecord(words: Uint32Array, at: number): FunctionRecord {
  return { offset: words[at] as number, typeId: words[at + 1] as number };
}

function coreRecord(
  btf: Btf,
  words: Uint32Array,
  at: number,
  section: string,
): CoreRelocation {
  const number = words[at + 3] as number;
  const kind = CORE_KINDS[number];
  if (kind === undefined) {
    throw new BtfError({
      doing: "read .BTF.ext of",
      subject: btf.name,
      why: `a CO-RE relocation in ${section} is of kind ${number}, which is unknown`,
      stage: "relocate",
      data: { section, offset: words[at] as number, kind: number },
    });
  }
  return {
    section,
    offset: words[at] as number,
    typeId: words[at + 1] as number,
    access: btf.string(words[at + 2] as number),
    kind,
  };
}

/** A line that decodes its strings on first use. */
class Line implements LineRecord {
  readonly offset: number;
  readonly fileNameOffset: number;
  readonly lineOffset: number;
  readonly lineColumn: number;
  readonly #btf: Btf;

  constructor(btf: Btf, words: Uint32Array, at: number) {
    this.#btf = btf;
    this.offset = words[at] as number;
    this.fileNameOffset = words[at + 1] as number;
    this.lineOffset = words[at + 2] as number;
    this.lineColumn = words[at + 3] as number;
  }

  get line(): number {
    return this.lineColumn >>> 10;
  }

  get column(): number {
    return this.lineColumn & 0x3ff;
  }

  get file(): string {
    return this.#btf.string(this.fileNameOffset);
  }

  get source(): string {
    return this.#btf.string(this.lineOffset).trim();
  }
}
