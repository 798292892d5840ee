/**
 * Tables of NUL-terminated names, as ELF and BTF have them.
 *
 * @module
 */

const utf8 = new TextDecoder();

/** Up to this size a table is decoded as a whole, once, and names are slices of that text. */
const WHOLE = 1 << 18;

/**
 * A table of NUL-terminated names, decoded on demand.
 *
 * A small ASCII table (that of any BPF object) is decoded once, so a name costs a slice; names of a
 * big one (the kernel's BTF) are decoded one by one.
 */
export class StringTable {
  /** The raw bytes. */
  readonly bytes: Uint8Array;
  /** Undefined: not tried yet; null: it can't be sliced. */
  #text: string | null | undefined;

  /** Wraps the bytes; nothing is read. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    if (bytes.length > WHOLE) this.#text = null;
  }

  /** Whether every offset below the table's size is the start of a terminated name. */
  get terminated(): boolean {
    const { bytes } = this;
    return bytes.length === 0 || bytes[bytes.length - 1] === 0;
  }

  /**
   * The name at an offset; undefined when the offset is past the end or the name has no end.
   *
   * Bytes that are not UTF-8 become U+FFFD.
   */
  at(offset: number): string | undefined {
    const text = this.#text === undefined ? (this.#text = wholeText(this.bytes)) : this.#text;
    if (text !== null) {
      const end = text.indexOf("\0", offset);
      return end < 0 || offset < 0 ? undefined : text.slice(offset, end);
    }
    return this.#decode(offset);
  }

  #decode(offset: number): string | undefined {
    const { bytes } = this;
    if (!(offset >= 0 && offset < bytes.length)) return undefined;
    let name = "";
    let at = offset;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte === 0) return name;
      // A long or foreign name: let the decoder do it.
      if (byte > 0x7f || at - offset === 48) break;
      name += String.fromCharCode(byte);
    }
    const end = bytes.indexOf(0, at);
    return end < 0 ? undefined : utf8.decode(bytes.subarray(offset, end));
  }
}

/** The table as text whose indices are the bytes' offsets, or null when it isn't plain ASCII. */
function wholeText(bytes: Uint8Array): string | null {
  for (let at = 0; at < bytes.length; at++) if ((bytes[at] as number) > 0x7f) return null;
  return utf8.decode(bytes);
}
