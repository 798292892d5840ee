/**
 * Builds ELF files byte by byte, for tests of files that no compiler here produces.
 *
 * @module
 */

/** One section of {@linkcode elfBytes}. */
export interface SectionBytes {
  readonly name: string;
  readonly type: number;
  readonly data?: Uint8Array | undefined;
  /** `sh_size`, when it differs from the size of the data. */
  readonly size?: number | undefined;
  readonly flags?: number | undefined;
  readonly link?: number | undefined;
  readonly info?: number | undefined;
  readonly entrySize?: number | undefined;
}

/** One symbol of {@linkcode symbolBytes}. */
export interface SymbolBytes {
  readonly name?: number | undefined;
  readonly info?: number | undefined;
  readonly other?: number | undefined;
  readonly section?: number | undefined;
  readonly value?: number | undefined;
  readonly size?: number | undefined;
}

/** Header fields of {@linkcode elfBytes}. */
export interface ElfHeaderBytes {
  readonly littleEndian?: boolean | undefined;
  readonly type?: number | undefined;
  readonly machine?: number | undefined;
  /** Writes `e_shnum` and `e_shstrndx` as in a file with more than 0xfeff sections. */
  readonly extended?: boolean | undefined;
}

/** Returns a relocatable object with these sections; adds section 0 and the section name table. */
export function elfBytes(
  sections: readonly SectionBytes[],
  header: ElfHeaderBytes = {},
): Uint8Array<ArrayBuffer> {
  const { littleEndian = true, extended = false } = header;
  const encoder = new TextEncoder();
  const all: SectionBytes[] = [{ name: "", type: 0 }, ...sections, { name: ".strtab", type: 3 }];
  const names = encoder.encode(all.map((section) => section.name + "\0").join(""));
  let end = 64;
  const offsets = all.map((section, index) => {
    const data = index === all.length - 1 ? names : section.data;
    const offset = end;
    end += (data?.length ?? 0) + 7 & ~7;
    return offset;
  });
  const bytes = new Uint8Array(end + all.length * 64);
  const view = new DataView(bytes.buffer);
  const wide = (at: number, value: number): void =>
    view.setBigUint64(at, BigInt(value), littleEndian);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, littleEndian ? 1 : 2, 1]);
  view.setUint16(16, header.type ?? 1, littleEndian);
  view.setUint16(18, header.machine ?? 247, littleEndian);
  view.setUint32(20, 1, littleEndian);
  wide(40, end);
  view.setUint16(52, 64, littleEndian);
  view.setUint16(58, 64, littleEndian);
  view.setUint16(60, extended ? 0 : all.length, littleEndian);
  view.setUint16(62, extended ? 0xffff : all.length - 1, littleEndian);
  let nameAt = 0;
  all.forEach((section, index) => {
    const at = end + index * 64;
    const data = index === all.length - 1 ? names : section.data ?? new Uint8Array(0);
    bytes.set(data, offsets[index] as number);
    view.setUint32(at, nameAt, littleEndian);
    nameAt += encoder.encode(section.name).length + 1;
    view.setUint32(at + 4, section.type, littleEndian);
    wide(at + 8, section.flags ?? 0);
    wide(at + 24, offsets[index] as number);
    wide(at + 32, section.size ?? data.length);
    view.setUint32(at + 40, section.link ?? 0, littleEndian);
    view.setUint32(at + 44, section.info ?? 0, littleEndian);
    wide(at + 48, 1);
    wide(at + 56, section.entrySize ?? 0);
  });
  if (extended) {
    wide(end + 32, all.length);
    view.setUint32(end + 40, all.length - 1, littleEndian);
  }
  return bytes;
}

/** Returns the contents of a symbol table; adds the null symbol. */
export function symbolBytes(
  symbols: readonly SymbolBytes[],
  littleEndian = true,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array((symbols.length + 1) * 24);
  const view = new DataView(bytes.buffer);
  symbols.forEach((symbol, index) => {
    const at = (index + 1) * 24;
    view.setUint32(at, symbol.name ?? 0, littleEndian);
    view.setUint8(at + 4, symbol.info ?? 0);
    view.setUint8(at + 5, symbol.other ?? 0);
    view.setUint16(at + 6, symbol.section ?? 0, littleEndian);
    view.setBigUint64(at + 8, BigInt(symbol.value ?? 0), littleEndian);
    view.setBigUint64(at + 16, BigInt(symbol.size ?? 0), littleEndian);
  });
  return bytes;
}
