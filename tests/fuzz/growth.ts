/**
 * Checks time against size: an object with one piece repeated four times as often may take about
 * four times as long in every step.
 *
 * More is reported as a failure.
 *
 * @module
 */

import { cpuTime, type SeedObject } from "./campaign.ts";
import { exercise } from "./layers.ts";
import { Random } from "./random.ts";
import type { Piece } from "./structure/anatomy.ts";
import { assemble } from "./structure/assemble.ts";
import { Draft, elementsOf } from "./structure/draft.ts";

/**
 * What is repeated, and how the copies differ: elements in their place; or pieces, types at the end, all the
 * same, with names that share their bytes, or with references to the copy before.
 */
export const VARIANTS = ["elements", "copies", "shared names", "chained"] as const;
/** See {@linkcode VARIANTS}. */
export type Variant = typeof VARIANTS[number];

/** A piece to repeat. */
export interface GrowthCase {
  /** The seed. */
  readonly seed: SeedObject;
  /** The pieces, by section and place. */
  readonly pieces: readonly (readonly [part: number, piece: number])[];
  /** How the copies differ. */
  readonly variant: Variant;
}

/** A step that takes more than its share. */
export interface Growth {
  /** What was repeated. */
  readonly label: string;
  /** The step. */
  readonly step: string;
  /** Bytes and milliseconds of the smaller and the larger object. */
  readonly measured: readonly (readonly [bytes: number, milliseconds: number])[];
}

/** Bytes of the copies in the smaller object; the larger one has four times as many. */
const SMALLER = 48 << 10;
/** Shorter steps are ignored. */
const SHORTEST_MILLISECONDS = 60;
/** Minimum assumed for the smaller object; less is noise. */
const FLOOR_MILLISECONDS = 3;
/** Allowed factor in time for four times the size: twice the linear share, for cache effects. */
const MOST = 8;

/** Every kind of piece of a seed once, in every variant that it has. */
export function* singleCases(seed: SeedObject): Generator<GrowthCase> {
  for (const variant of VARIANTS) {
    const seen = new Set<string>();
    for (const [part, { pieces }] of seed.anatomy.parts.entries()) {
      for (const [index, piece] of pieces.entries()) {
        if (seen.has(piece.what) || !hasVariant(piece, variant)) continue;
        seen.add(piece.what);
        yield { seed, pieces: [[part, index]], variant };
      }
    }
  }
}

/** Two kinds of pieces at once, by random choice: what multiplies shows here. */
export function pairCase(seeds: readonly SeedObject[], random: Random): GrowthCase {
  const seed = random.pick(seeds);
  const all: [number, number][] = [];
  seed.anatomy.parts.forEach(({ pieces }, part) => {
    pieces.forEach((_, piece) => all.push([part, piece]));
  });
  const pieces = [...new Set([random.pick(all), random.pick(all)])];
  return { seed, pieces, variant: random.pick(VARIANTS) };
}

function hasVariant(piece: Piece, variant: Variant): boolean {
  switch (variant) {
    case "elements":
      return elementsOf(piece) > 0;
    case "copies":
      return !piece.what.endsWith("header") && piece.elementSize !== 1;
    case "chained":
    case "shared names": {
      const role = variant === "chained" ? "type" : "string";
      return isType(piece) &&
        [...piece.head, ...piece.element].some((field) => field.role === role);
    }
  }
}

/** Returns whether a piece is a BTF type. */
function isType({ what }: Piece): boolean {
  return what.startsWith("btf.") && !/header|strings|layout/.test(what);
}

/** Returns the object with this many bytes of copies. */
export function grownObject(one: GrowthCase, bytes: number): Uint8Array<ArrayBuffer> {
  const draft = new Draft(one.seed.anatomy, new Random(1));
  const share = bytes / one.pieces.length;
  // From the end, so that positions stay valid.
  const places = [...one.pieces].sort((a, b) => b[0] - a[0] || b[1] - a[1]);
  for (const [part, index] of places) {
    const piece = draft.parts[part]?.pieces[index];
    if (piece === undefined) continue;
    if (one.variant === "elements" && elementsOf(piece) > 0) {
      draft.repeat(part, index, Math.ceil(share / (piece.elementSize * elementsOf(piece))));
    } else copyPiece(draft, part, index, piece, one.variant, share);
  }
  return assemble(draft.anatomy(), true).bytes;
}

/** Bytes of the string whose ends are the names: as long as a name may be without being counted. */
const NAME_LENGTH = 250;

/** Adds copies of a piece: types at the end, so that no id changes; others after it. */
function copyPiece(
  draft: Draft,
  part: number,
  index: number,
  piece: Piece,
  variant: Variant,
  share: number,
): void {
  const old = draft.parts[part];
  if (old === undefined) return;
  const pieces = [...old.pieces];
  const strings = pieces.findIndex(({ what }) => what === "btf.strings");
  const names = pieces[strings];
  const atEnd = isType(piece) && names !== undefined;
  const first = pieces.filter(isType).length + 1;
  const copies: Piece[] = [];
  for (let copy = 0; copy < share / Math.max(1, piece.bytes.length); copy++) {
    const bytes = piece.bytes.slice();
    const view = new DataView(bytes.buffer);
    const fields = [
      ...piece.head.map((field) => ({ ...field, from: field.at })),
      ...(elementsOf(piece) === 0
        ? []
        : piece.element.map((field) => ({ ...field, from: piece.headSize + field.at }))),
    ];
    for (const { role, from, size, bits } of fields) {
      if (size !== 4 || bits !== undefined || !atEnd) continue;
      if (role === "string" && variant === "shared names") {
        view.setUint32(from, names.bytes.length + copy % NAME_LENGTH, draft.littleEndian);
      } else if (role === "type" && variant === "chained" && copy > 0) {
        view.setUint32(from, first + copy - 1, draft.littleEndian);
      }
    }
    copies.push({ ...piece, bytes });
  }
  if (atEnd && variant === "shared names") {
    const longer = new Uint8Array(names.bytes.length + NAME_LENGTH + 1).fill(0x61);
    longer.set(names.bytes);
    longer[longer.length - 1] = 0;
    pieces[strings] = { ...names, bytes: longer };
  }
  pieces.splice(atEnd ? strings : index + 1, 0, ...copies);
  draft.parts[part] = { ...old, pieces };
}

/** Returns the steps that take more than their share, measured again to confirm. */
export function growthOf(one: GrowthCase): Growth[] {
  const names = one.pieces.map(([part, piece]) =>
    one.seed.anatomy.parts[part]?.pieces[piece]?.what
  );
  const label = `${names.join(" and ")}, ${one.variant}`;
  const smaller = grownObject(one, SMALLER);
  const larger = grownObject(one, SMALLER * 4);
  let suspects: Growth[] | undefined;
  for (let turn = 0; turn < 6 && suspects?.length !== 0; turn++) {
    const few = times(smaller);
    const many = times(larger);
    const found: Growth[] = [];
    for (const [step, milliseconds] of many) {
      const before = few.get(step) ?? 0;
      if (milliseconds < SHORTEST_MILLISECONDS) continue;
      if (milliseconds < MOST * Math.max(FLOOR_MILLISECONDS, before)) continue;
      if (suspects !== undefined && !suspects.some((suspect) => suspect.step === step)) continue;
      found.push({
        label,
        step,
        measured: [[smaller.length, before], [larger.length, milliseconds]],
      });
    }
    suspects = found;
  }
  return suspects ?? [];
}

function times(bytes: Uint8Array): Map<string, number> {
  return exercise(bytes, { sample: new Random(0), clock: cpuTime, everything: true }).times;
}
