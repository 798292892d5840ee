/**
 * Damages a valid object blindly in a few places that matter.
 *
 * @module
 */

import { ElfFile } from "../../elf/mod.ts";
import type { Random } from "./random.ts";

/** Numbers at which arithmetic breaks. */
const EDGES = [
  0,
  1,
  2,
  3,
  4,
  7,
  8,
  16,
  24,
  64,
  0x7f,
  0xff,
  0xffff,
  0x10000,
  0xffffff,
  0x1000000,
  0x7fffffff,
  0x80000000,
  0xfffffff0,
  0xfffffffe,
  0xffffffff,
];

/** Places where changes are most effective. */
interface Places {
  readonly littleEndian: boolean;
  /** From and to, in bytes, and bytes of one field. */
  readonly ranges: readonly (readonly [from: number, to: number, field: number])[];
}

const known = new WeakMap<Uint8Array, Places>();

function placesOf(bytes: Uint8Array): Places {
  let places = known.get(bytes);
  if (places === undefined) {
    const elf = ElfFile.parse(bytes);
    const ranges: (readonly [number, number, number])[] = [[16, 64, 2]];
    const table = bytes.length - elf.sections.length * 64;
    ranges.push([table, bytes.length, 4]);
    for (const { name, type, offset, data } of elf.sections) {
      if (data.length < 8) continue;
      const weight = name === ".BTF" ? 4 : name === ".BTF.ext" || type === 2 || type === 9 ? 2 : 1;
      for (let copy = 0; copy < weight; copy++) ranges.push([offset, offset + data.length, 4]);
    }
    places = { littleEndian: elf.littleEndian, ranges };
    known.set(bytes, places);
  }
  return places;
}

/** Returns a copy of a valid object with one to eight changes. */
export function mutate(seed: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  const places = placesOf(seed);
  let bytes = seed.slice();
  const changes = 1 + random.below(random.below(4) === 0 ? 8 : 2);
  for (let change = 0; change < changes; change++) {
    if (bytes.length < 64) break;
    const [start, to, field] = random.pick(places.ranges);
    const end = Math.min(to, bytes.length) - 8;
    // An earlier change may have truncated the object.
    const from = Math.min(start, end);
    if (from < 0) break;
    const at = Math.max(
      0,
      from + random.below(Math.max(1, Math.floor((end - from) / field))) * field,
    );
    const view = new DataView(bytes.buffer);
    switch (random.below(10)) {
      case 0:
        bytes[at] = (bytes[at] as number) ^ 1 << random.below(8);
        break;
      case 1:
        bytes[at] = random.below(256);
        break;
      case 2:
      case 3:
      case 4:
        view.setUint32(at, random.pick(EDGES), places.littleEndian);
        break;
      case 5:
      case 6:
        // A small change: the next id, a length off by one, another kind.
        view.setUint32(
          at,
          view.getUint32(at, places.littleEndian) + random.below(9) - 4,
          places.littleEndian,
        );
        break;
      case 7:
        // Another word of the same region: a cycle, or the name of another type.
        view.setUint32(
          at,
          view.getUint32(from + random.below(Math.max(1, (end - from) / 4 | 0)) * 4, true),
          true,
        );
        break;
      case 8:
        bytes.copyWithin(at, from, Math.min(from + random.below(64), end));
        break;
      case 9:
        bytes = random.below(4) === 0
          ? bytes.slice(0, random.below(bytes.length))
          : bytes.fill(random.below(256), at, Math.min(at + random.below(32), end));
        break;
    }
  }
  return bytes;
}
