/**
 * A hash index over the raw bytes of names.
 *
 * @module
 */

import type { BtfTables } from "./tables.ts";

/** Returns the string section that an offset belongs to, and the offset of its start. */
export type StringSource = (offset: number) => {
  readonly bytes: Uint8Array;
  readonly from: number;
};

const encoder = new TextEncoder();

/** Returns a name as UTF-8 bytes, as BTF stores it. */
export function utf8Bytes(name: string): Uint8Array {
  return encoder.encode(name);
}

/** Returns whether the NUL-terminated name at an offset is exactly these bytes. */
export function sameBytes(bytes: Uint8Array, offset: number, name: Uint8Array): boolean {
  const length = name.length;
  // Compares the end first: names of one kind share prefixes more often than lengths.
  if (bytes[offset + length] !== 0) return false;
  for (let at = 0; at < length; at++) if (bytes[offset + at] !== name[at]) return false;
  return true;
}

const BASIS = 0x811c9dc5;
const PRIME = 0x01000193;
const UNDERSCORE = 0x5f;

/**
 * Indexes the entries of one kind by the hash of their names without flavor, so that one index serves both
 * exact lookups and searches for CO-RE candidates.
 *
 * There is one index per kind: a tenth of the kernel's types are structs, so their index is built in a
 * fraction of a millisecond, and most programs need no other.
 */
export class NameIndex {
  readonly #tables: BtfTables;
  readonly #source: StringSource;
  /** The named entries of the kind, ascending. */
  readonly #entries: Uint32Array;
  /** The first position in `#entries` of each bucket plus one; 0 for an empty bucket. */
  readonly #heads: Int32Array;
  /** The next position in the same bucket plus one. */
  readonly #next: Int32Array;
  readonly #mask: number;

  /** Hashes the names of all entries of the kind. */
  constructor(tables: BtfTables, source: StringSource, kind: number) {
    this.#tables = tables;
    this.#source = source;
    const { count, nameOffsets, kinds } = tables;
    let size = 0;
    for (let entry = 0; entry < count; entry++) {
      if (kinds[entry] === kind && nameOffsets[entry] !== 0) size++;
    }
    let buckets = 16;
    while (buckets < size) buckets *= 2;
    this.#mask = buckets - 1;
    this.#entries = new Uint32Array(size);
    this.#heads = new Int32Array(buckets);
    this.#next = new Int32Array(size);
    // Names of split BTF are partly in the base: the section is looked up only when it changes.
    let bytes: Uint8Array = new Uint8Array(0);
    let from = 0;
    // In descending order, so that each chain ascends.
    let place = size;
    for (let entry = count - 1; place > 0; entry--) {
      if (kinds[entry] !== kind) continue;
      const offset = nameOffsets[entry] as number;
      if (offset === 0) continue;
      place--;
      this.#entries[place] = entry;
      if (!(offset >= from && offset - from < bytes.length)) ({ bytes, from } = source(offset));
      const start = offset - from;
      if (start >= bytes.length || bytes[start] === 0) continue;
      const bucket = essentialHash(bytes, start) & this.#mask;
      this.#next[place] = this.#heads[bucket] as number;
      this.#heads[bucket] = place + 1;
    }
  }

  /** Returns the lowest entry with exactly that name, or -1. */
  find(name: Uint8Array): number {
    const { nameOffsets } = this.#tables;
    let place = this.#heads[essentialHash(name, 0) & this.#mask] as number;
    while (place !== 0) {
      const entry = this.#entries[place - 1] as number;
      const offset = nameOffsets[entry] as number;
      const { bytes, from } = this.#source(offset);
      if (sameBytes(bytes, offset - from, name)) return entry;
      place = this.#next[place - 1] as number;
    }
    return -1;
  }

  /** Appends to `into` all entries with that name (`exact`), or with that name up to a flavor. */
  findAll(name: Uint8Array, exact: boolean, into: number[]): void {
    const { nameOffsets } = this.#tables;
    const hash = exact ? essentialHash(name, 0) : plainHash(name);
    let place = this.#heads[hash & this.#mask] as number;
    while (place !== 0) {
      const entry = this.#entries[place - 1] as number;
      const offset = nameOffsets[entry] as number;
      const { bytes, from } = this.#source(offset);
      const start = offset - from;
      if (
        exact
          ? sameBytes(bytes, start, name)
          : essentialLength(bytes, start) === name.length && startsWith(bytes, start, name)
      ) {
        into.push(entry);
      }
      place = this.#next[place - 1] as number;
    }
  }
}

function startsWith(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let at = 0; at < name.length; at++) if (bytes[start + at] !== name[at]) return false;
  return true;
}

function plainHash(name: Uint8Array): number {
  let hash = BASIS;
  for (let at = 0; at < name.length; at++) {
    hash = Math.imul(hash ^ (name[at] as number), PRIME);
  }
  return mixed(hash);
}

/** The low bits select the bucket, so the high bits are mixed into them. */
function mixed(hash: number): number {
  return (hash ^ hash >>> 15) >>> 0;
}

/** Hashes the name at `start` without its flavor; the name ends at a NUL or at the end of the array. */
function essentialHash(bytes: Uint8Array, start: number): number {
  let hash = BASIS;
  let essential = 0;
  let hasFlavor = false;
  // The hash before the current run of underscores, and the length of the run.
  let before = BASIS;
  let run = 0;
  let runStart = start;
  const end = bytes.length;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === 0) break;
    if (byte === UNDERSCORE) {
      if (run === 0) {
        before = hash;
        runStart = at;
      }
      run++;
    } else {
      if (run === 3 && runStart > start) {
        essential = before;
        hasFlavor = true;
      }
      run = 0;
    }
    hash = Math.imul(hash ^ byte, PRIME);
  }
  return mixed(hasFlavor ? essential : hash);
}

/** Returns the length of the name at `start` without its flavor. */
function essentialLength(bytes: Uint8Array, start: number): number {
  let length = -1;
  let run = 0;
  const end = bytes.length;
  let at = start;
  for (; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === 0) break;
    if (byte === UNDERSCORE) run++;
    else {
      if (run === 3 && at - 3 > start) length = at - 3 - start;
      run = 0;
    }
  }
  return length < 0 ? at - start : length;
}
