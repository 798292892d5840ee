/**
 * String tables of ELF and BTF: NUL-terminated names at byte offsets.
 *
 * @module
 */

/** A byte order mark is a part of a name like any other. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Tables up to this size, in bytes, are decoded once as a whole; names are then slices of the text. */
const WHOLE = 1 << 18;

/**
 * Decodes names of a string table on demand.
 *
 * A small ASCII table, as in BPF objects, is decoded once, so that a name costs one slice. Names of a
 * large table, as in kernel BTF, are decoded one by one.
 */
export class StringTable {
  /** The raw bytes. */
  readonly bytes: Uint8Array;
  /** The decoded table; undefined before the first name, null for a table that is too large or not ASCII. */
  #text: string | null | undefined;
  /** For each byte where its name ends; made for tables with long names alone. */
  #ends: Uint32Array | undefined;

  /** Wraps the bytes without reading them. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    if (bytes.length > WHOLE) this.#text = null;
  }

  /** Whether the table is empty or ends with a NUL, so that a name at any offset is terminated. */
  get terminated(): boolean {
    const { bytes } = this;
    return bytes.length === 0 || bytes[bytes.length - 1] === 0;
  }

  /**
   * Returns the name at an offset; undefined when the offset is past the end or the name is not terminated.
   *
   * Bytes that are not UTF-8 decode to U+FFFD.
   */
  at(offset: number): string | undefined {
    const text = this.#text === undefined ? (this.#text = wholeText(this.bytes)) : this.#text;
    if (text !== null) {
      const end = text.indexOf("\0", offset);
      return end < 0 || offset < 0 ? undefined : text.slice(offset, end);
    }
    return this.#decode(offset);
  }

  /**
   * Whether some name has more bytes than this.
   *
   * Looks at few of the bytes: at the last NUL of each stretch of that length.
   */
  hasLonger(limit: number): boolean {
    const { bytes } = this;
    let start = 0;
    while (bytes.length - start > limit) {
      let at = start + limit;
      while (at >= start && bytes[at] !== 0) at--;
      if (at < start) return true;
      start = at + 1;
    }
    return false;
  }

  /** Bytes of the name at an offset below the table's size. */
  lengthAt(offset: number): number {
    if (this.#ends === undefined) {
      const { bytes } = this;
      const ends = new Uint32Array(bytes.length);
      let end = bytes.length;
      for (let at = bytes.length - 1; at >= 0; at--) {
        if (bytes[at] === 0) end = at;
        ends[at] = end;
      }
      this.#ends = ends;
    }
    return (this.#ends[offset] ?? offset) - offset;
  }

  #decode(offset: number): string | undefined {
    const { bytes } = this;
    if (!(offset >= 0 && offset < bytes.length)) return undefined;
    let name = "";
    let at = offset;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte === 0) return name;
      // TextDecoder is faster for long names, and needed for names that are not ASCII.
      if (byte > 0x7f || at - offset === 48) break;
      name += String.fromCharCode(byte);
    }
    const end = bytes.indexOf(0, at);
    return end < 0 ? undefined : utf8.decode(bytes.subarray(offset, end));
  }
}

/** Names of at most this many bytes are not counted: what refers to one has eight bytes itself. */
const SHORT_NAME = 256;
/** Bytes of names that may be referred to besides {@linkcode NAME_BYTES_PER_BYTE}. */
const NAME_BYTES = 4 << 20;
/** For each byte of what refers to names, bytes of names that may be referred to. */
const NAME_BYTES_PER_BYTE = 64;

/**
 * Counts the bytes of the names that a table of types, symbols or lines refers to.
 *
 * Many can share one long name or its ends, so that few bytes stand for names of many gigabytes: a
 * reader would take a time that grows with the square of the file.
 */
export class NameMeter {
  readonly #table: StringTable;
  #left: number;

  private constructor(table: StringTable, left: number) {
    this.#table = table;
    this.#left = left;
  }

  /** A meter for references that take so many bytes; undefined where no name is long enough to matter. */
  static for(table: StringTable, bytes: number): NameMeter | undefined {
    if (!table.hasLonger(SHORT_NAME)) return undefined;
    return new NameMeter(table, NAME_BYTES + NAME_BYTES_PER_BYTE * bytes);
  }

  /** Counts the name at an offset; false when it is more than there may be. */
  count(offset: number): boolean {
    this.#left -= this.#table.lengthAt(offset);
    return this.#left >= 0;
  }
}

/** What is wrong when {@linkcode NameMeter.count} says no. */
export const SHARED_NAMES: string =
  `its names share their bytes: together they are more than ${NAME_BYTES >> 20} MiB and ` +
  `${NAME_BYTES_PER_BYTE} bytes for each byte that refers to them`;

/** Decodes a table whose character indices equal its byte offsets; null when it is not ASCII. */
function wholeText(bytes: Uint8Array): string | null {
  for (let at = 0; at < bytes.length; at++) if ((bytes[at] as number) > 0x7f) return null;
  return utf8.decode(bytes);
}
