/**
 * Damages objects field by field: changes and reassembles the structure, then writes values that
 * matter to fields.
 *
 * @module
 */

import type { Random } from "../random.ts";
import type { Anatomy, Piece } from "./anatomy.ts";
import { assemble, type Assembled, type Placed } from "./assemble.ts";
import { Draft, elementsOf } from "./draft.ts";
import type { Field } from "./fields.ts";

/** A damaged object with its changes. */
export interface Mutant {
  /** The object. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Names of the changed fields and steps. */
  readonly reached: readonly string[];
}

const EDGES = [
  0,
  1,
  2,
  3,
  4,
  8,
  0x7f,
  0xff,
  0x100,
  0xffff,
  0x10000,
  0xffffff,
  0x1000000,
  0x7fffffff,
  0x80000000,
  0xfffffff0,
  0xffffffff,
];
/** Opcodes that code readers search for, with registers that change their meaning. */
const CODE = [0x18, 0x85, 0x95, 0x05, 0x61, 0x63, 0x79, 0xb7, 0x10, 0x20, 0x30, 0x11, 0x21, 0, 255];

/** Makes up to three structural changes, then up to four field changes. */
export function mutateStructure(seed: Anatomy, random: Random): Mutant {
  const draft = new Draft(seed, random);
  for (let steps = random.below(4); steps > 0; steps--) draft.step();
  const assembled = assemble(draft.anatomy(), random.below(8) !== 0);
  const least = draft.reached.length === 0 ? 1 : 0;
  for (let changes = least + random.below(4); changes > 0; changes--) {
    const label = changeField(assembled, draft.littleEndian, random);
    if (label !== undefined) draft.reached.push(label);
  }
  return { bytes: assembled.bytes, reached: draft.reached };
}

/** Changes one field; all kinds of pieces are equally likely. */
function changeField(
  { bytes, placed }: Assembled,
  little: boolean,
  random: Random,
): string | undefined {
  const kinds = new Map<string, Placed[]>();
  for (const one of placed) {
    const of = kinds.get(one.piece.what);
    if (of === undefined) kinds.set(one.piece.what, [one]);
    else of.push(one);
  }
  const { piece, at } = random.pick(random.pick([...kinds.values()]));
  const elements = elementsOf(piece);
  const inElement = piece.element.length > 0 && elements > 0 &&
    (piece.head.length === 0 || random.below(2) === 0);
  const fields = inElement ? piece.element : piece.head;
  if (fields.length === 0) return changeText(bytes, piece, at, random);
  const field = random.pick(fields);
  const from = at + (inElement ? piece.headSize + random.below(elements) * piece.elementSize : 0);
  if (from + field.at + field.size > bytes.length) return undefined;
  write(
    new DataView(bytes.buffer),
    from + field.at,
    field,
    little,
    (old) => newValue(field, old, placed, bytes.length, random),
  );
  return field.label;
}

/** Changes bytes of a table of names. */
function changeText(
  bytes: Uint8Array,
  { what, bytes: { length } }: Piece,
  at: number,
  random: Random,
): string | undefined {
  if (length === 0) return undefined;
  const byte = random.pick([
    0,
    0,
    0x2f,
    0x2e,
    0x2a,
    0x22,
    0x0a,
    0x1b,
    0x9b,
    0xc2,
    0xff,
    0x3a,
    0x30,
  ]);
  bytes[at + random.below(length)] = byte;
  return `${what}: byte`;
}

function newValue(
  field: Field,
  old: number,
  placed: readonly Placed[],
  size: number,
  random: Random,
): number {
  // In one of four cases any edge value, whatever the field means.
  if (random.below(4) === 0) return random.pick(EDGES);
  const near = old + random.below(9) - 4;
  switch (field.role) {
    case "type": {
      const types = placed.filter(({ piece }) => piece.what.startsWith("btf.")).length - 2;
      return random.pick([
        0,
        random.below(types + 1),
        random.below(types + 1),
        types,
        types + 1,
        near,
      ]);
    }
    case "string": {
      const table = field.label.startsWith("s") ? "names" : "btf.strings";
      const strings = placed.find(({ piece }) => piece.what === table)?.piece.bytes.length ?? 1;
      return random.pick([0, random.below(strings), old + 1, strings - 1, strings]);
    }
    case "section":
      return random.pick([random.below(40), near, 0xfff1, 0xfff2, 0xffff]);
    case "symbol":
      return random.pick([random.below(64), near]);
    case "kind":
      return random.pick([random.below(24), near, 247, 0x12, 0x11, 0x10, 0x01]);
    case "count":
      return random.pick([near, random.below(300), old * 2]);
    case "size":
    case "offset":
      return random.pick([near, old + 8, old - 8, random.below(size), size, old * 2]);
    case "flags":
      return old ^ 1 << random.below(Math.min(31, field.size * 8));
    case "code":
      return random.pick(CODE);
    case "number":
      return random.pick([near, random.below(size), old ^ 1 << random.below(31)]);
  }
}

/** Writes a field, or some of its bits. */
function write(
  view: DataView,
  at: number,
  { size, bits }: Field,
  little: boolean,
  change: (old: number) => number,
): void {
  switch (size) {
    case 1:
      return view.setUint8(at, change(view.getUint8(at)));
    case 2:
      return view.setUint16(at, change(view.getUint16(at, little)), little);
    case 4: {
      const word = view.getUint32(at, little);
      if (bits === undefined) return view.setUint32(at, change(word), little);
      const [shift, width] = bits;
      const mask = 2 ** width - 1 << shift;
      const value = change((word & mask) >>> shift);
      return view.setUint32(at, word & ~mask | value << shift & mask, little);
    }
    case 8: {
      const old = Number(view.getBigUint64(at, little));
      return view.setBigUint64(at, BigInt.asUintN(64, BigInt(Math.trunc(change(old)))), little);
    }
  }
}
