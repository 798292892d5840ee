/**
 * The header of BTF, and the index of its types.
 *
 * @module
 */

import { BtfError } from "./error.ts";
import { KINDS } from "./types.ts";

/** A BTF header, checked against the size of the data. */
export interface BtfHeader {
  /** The byte order. */
  readonly littleEndian: boolean;
  /** Size of the header in bytes. */
  readonly length: number;
  /** Offset of the first type in bytes. */
  readonly typesAt: number;
  /** Size of all types in bytes. */
  readonly typesLength: number;
  /** The string section: a view of the data. */
  readonly strings: Uint8Array;
  /** The layout section, four bytes per kind; empty when there is none. */
  readonly layout: Uint8Array;
}

/** The types of one BTF as typed arrays. Entry 0 is void, or in split BTF its first type. */
export interface BtfTables {
  /** The type section as words in host byte order. */
  readonly words: Uint32Array;
  /** Number of entries. */
  readonly count: number;
  /** Index in `words` of each entry. */
  readonly starts: Uint32Array;
  /** Name offset of each entry. */
  readonly nameOffsets: Uint32Array;
  /** Kind of each entry. */
  readonly kinds: Uint8Array;
}

const MAGIC = 0xeb9f;
const SHORTEST_HEADER = 24;
/** String offsets must be below this (BTF_MAX_NAME_OFFSET). */
const LONGEST_STRINGS = 0x7fff_ffff;

const hostIsLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Number of words after the first three of each kind, and per element of `vlen`. */
const fixedWords = new Uint8Array(128);
const elementWords = new Uint8Array(128);
const KNOWN: Record<typeof KINDS[number], readonly [fixed: number, perElement: number]> = {
  void: [0, 0],
  int: [1, 0],
  ptr: [0, 0],
  array: [3, 0],
  struct: [0, 3],
  union: [0, 3],
  enum: [0, 2],
  fwd: [0, 0],
  typedef: [0, 0],
  volatile: [0, 0],
  const: [0, 0],
  restrict: [0, 0],
  func: [0, 0],
  func_proto: [0, 2],
  var: [1, 0],
  datasec: [0, 3],
  float: [0, 0],
  decl_tag: [1, 0],
  type_tag: [0, 0],
  enum64: [0, 3],
};
KINDS.forEach((name, kind) => {
  fixedWords[kind] = KNOWN[name][0];
  elementWords[kind] = KNOWN[name][1];
});

/** Reads and checks the header; unknown fields at its end are ignored. */
export function readHeader(bytes: Uint8Array, name: string, split: boolean): BtfHeader {
  const refuse = (why: string, offset: number): BtfError =>
    new BtfError({ subject: name, why, data: { offset } });
  if (bytes.length < SHORTEST_HEADER) {
    throw refuse(`the header ends after ${bytes.length} of ${SHORTEST_HEADER} bytes`, 0);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const littleEndian = view.getUint16(0, true) === MAGIC;
  if (!littleEndian && view.getUint16(0, false) !== MAGIC) {
    throw refuse(`it starts with 0x${view.getUint16(0, true).toString(16)}, not 0xeb9f`, 0);
  }
  if (bytes[2] !== 1) throw refuse(`it is version ${bytes[2]}, not 1`, 2);
  const length = view.getUint32(4, littleEndian);
  if (length < SHORTEST_HEADER || length > bytes.length) {
    throw refuse(`the header claims ${length} of ${bytes.length} bytes`, 4);
  }
  const typesOffset = view.getUint32(8, littleEndian);
  const typesLength = view.getUint32(12, littleEndian);
  const stringsOffset = view.getUint32(16, littleEndian);
  const stringsLength = view.getUint32(20, littleEndian);
  const room = bytes.length - length;
  if (stringsOffset + stringsLength > room) {
    throw refuse(`the names take bytes ${stringsOffset}+${stringsLength} of ${room}`, 16);
  }
  if (typesOffset + typesLength > stringsOffset) {
    throw refuse(
      `the types at ${typesOffset}+${typesLength} run into the names at ${stringsOffset}`,
      8,
    );
  }
  if (typesOffset % 4 !== 0) throw refuse(`the types start at ${typesOffset}, not aligned`, 8);
  if (typesLength % 4 !== 0) {
    throw refuse(`the types have ${typesLength} bytes, not a multiple of 4`, 12);
  }
  const stringsAt = length + stringsOffset;
  const strings = bytes.subarray(stringsAt, stringsAt + stringsLength);
  if (strings.length === 0) {
    if (!split) throw refuse("there are no names, not even the empty one", 20);
  } else {
    if (strings.length > LONGEST_STRINGS) throw refuse("the names are too long", 20);
    if (strings[strings.length - 1] !== 0) {
      throw refuse("the last name is not terminated", stringsAt + stringsLength - 1);
    }
    if (!split && strings[0] !== 0) throw refuse("the first name is not empty", stringsAt);
  }
  let layout = bytes.subarray(0, 0);
  if (length >= 32) {
    const layoutOffset = view.getUint32(24, littleEndian);
    const layoutLength = view.getUint32(28, littleEndian);
    if (layoutOffset + layoutLength > room) {
      throw refuse(`the layout section takes bytes ${layoutOffset}+${layoutLength} of ${room}`, 24);
    }
    layout = bytes.subarray(length + layoutOffset, length + layoutOffset + layoutLength);
  }
  return { littleEndian, length, typesAt: length + typesOffset, typesLength, strings, layout };
}

/**
 * Returns the type section as words in host byte order: a view where alignment and byte order permit,
 * otherwise a copy.
 */
function typeWords(bytes: Uint8Array, header: BtfHeader): Uint32Array {
  const count = header.typesLength / 4;
  const at = bytes.byteOffset + header.typesAt;
  if (header.littleEndian === hostIsLittleEndian) {
    if (at % 4 === 0) return new Uint32Array(bytes.buffer, at, count);
    return new Uint32Array(bytes.slice(header.typesAt, header.typesAt + header.typesLength).buffer);
  }
  const view = new DataView(bytes.buffer, at, header.typesLength);
  const words = new Uint32Array(count);
  for (let index = 0; index < count; index++) {
    words[index] = view.getUint32(index * 4, header.littleEndian);
  }
  return words;
}

/** Indexes all types in one pass. */
export function readTables(
  bytes: Uint8Array,
  header: BtfHeader,
  name: string,
  withVoid: boolean,
): BtfTables {
  const words = typeWords(bytes, header);
  const end = words.length;
  // A type has at least three words; most have about five and a half.
  let capacity = Math.min((end / 3 | 0) + 1, (end / 5 | 0) + 64);
  let starts = new Uint32Array(capacity);
  let nameOffsets = new Uint32Array(capacity);
  let kinds = new Uint8Array(capacity);
  let count = withVoid ? 1 : 0;
  let at = 0;
  while (at < end) {
    if (at + 3 > end) {
      throw new BtfError({
        subject: name,
        why: `type ${count} is cut off`,
        data: { entry: count },
      });
    }
    if (count === capacity) {
      capacity = Math.min((end / 3 | 0) + 1, capacity * 2);
      starts = grown(starts, new Uint32Array(capacity));
      nameOffsets = grown(nameOffsets, new Uint32Array(capacity));
      kinds = grown(kinds, new Uint8Array(capacity));
    }
    const info = words[at + 1] as number;
    // Linux 7.1 extended vlen to 24 bits and kind to 7; the added bits were always zero before.
    const kind = info >>> 24 & 0x7f;
    starts[count] = at;
    nameOffsets[count] = words[at] as number;
    kinds[count] = kind;
    count++;
    const vlen = info & 0xffffff;
    if (kind > 0 && kind < KINDS.length) {
      at += 3 + (fixedWords[kind] as number) + (elementWords[kind] as number) * vlen;
    } else {
      at += unknownWords(header, kind, vlen, count - 1, name);
    }
  }
  if (at !== end) {
    throw new BtfError({
      subject: name,
      why: `the last type, entry ${count - 1}, is cut off`,
      data: { entry: count - 1 },
    });
  }
  // Frees excess capacity.
  if (capacity - count > count >>> 2) {
    starts = starts.slice(0, count);
    nameOffsets = nameOffsets.slice(0, count);
    kinds = kinds.slice(0, count);
  }
  return { words, count, starts, nameOffsets, kinds };
}

function grown<T extends Uint32Array | Uint8Array>(old: T, bigger: T): T {
  bigger.set(old);
  return bigger;
}

/** Returns the number of words of a type whose kind only the layout section describes. */
function unknownWords(
  header: BtfHeader,
  kind: number,
  vlen: number,
  entry: number,
  name: string,
): number {
  const at = kind * 4;
  if (kind === 0 || at + 4 > header.layout.length) {
    throw new BtfError({
      subject: name,
      why: `entry ${entry} is of unknown kind ${kind}, and no layout section gives its size`,
      fix: "update skep, or build the object with an older compiler",
      data: { entry, kind },
    });
  }
  const fixed = header.layout[at] as number;
  const perElement = header.layout[at + 1] as number;
  const size = fixed + perElement * vlen;
  if (size % 4 !== 0) {
    throw new BtfError({
      subject: name,
      why: `the layout section gives entry ${entry} of kind ${kind} ${size} bytes, not whole words`,
      data: { entry, kind },
    });
  }
  return 3 + size / 4;
}
