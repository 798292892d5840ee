/**
 * Time against size: an object in which one thing is repeated four times as often may take about four times
 * as long in every step, and no more.
 *
 * @module
 */

import type { SeedObject } from "./campaign.ts";
import { exercise } from "./layers.ts";
import { Random } from "./random.ts";
import type { Piece } from "./structure/anatomy.ts";
import { assemble } from "./structure/assemble.ts";
import { Draft, elementsOf } from "./structure/draft.ts";

/** How the copies differ from each other. */
export const VARIANTS = ["same", "shared names", "chained"] as const;
/** See {@linkcode VARIANTS}. */
export type Variant = typeof VARIANTS[number];

/** What is repeated. */
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
  /** Bytes and milliseconds of the smaller and of the larger object. */
  readonly measured: readonly (readonly [bytes: number, milliseconds: number])[];
}

/** Bytes of the copies in the smaller object; the larger has four times as many. */
const SMALLER = 48 << 10;
/** A step shorter than this is not looked at. */
const SHORTEST_MILLISECONDS = 60;
/** What the smaller object takes at least: below it is noise. */
const FLOOR_MILLISECONDS = 3;
/** Four times the size may take this many times as long: twice the linear share, for caches. */
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
  return { seed, pieces: [random.pick(all), random.pick(all)], variant: random.pick(VARIANTS) };
}

function hasVariant({ head, element, what }: Piece, variant: Variant): boolean {
  if (variant === "same") return true;
  const role = variant === "chained" ? "type" : "string";
  return what.endsWith("strings") || what === "names"
    ? false
    : [...head, ...element].some((field) => field.role === role);
}

/** The object with so many bytes of copies. */
export function grownObject(one: GrowthCase, bytes: number): Uint8Array<ArrayBuffer> {
  const draft = new Draft(one.seed.anatomy, new Random(1));
  const share = bytes / one.pieces.length;
  // From the end, so that places stay.
  const places = [...one.pieces].sort((a, b) => b[0] - a[0] || b[1] - a[1]);
  for (const [part, index] of places) {
    const piece = draft.parts[part]?.pieces[index];
    if (piece === undefined) continue;
    const size = piece.elementSize > 0 && elementsOf(piece) > 0
      ? piece.elementSize * elementsOf(piece)
      : Math.max(1, piece.bytes.length);
    draft.repeat(part, index, Math.ceil(share / size));
    if (one.variant !== "same") vary(draft, part, one.variant, share);
  }
  return assemble(draft.anatomy(), true).bytes;
}

/** Makes every name of a section's pieces another end of one long string, or every type its neighbour. */
function vary(draft: Draft, at: number, variant: Variant, length: number): void {
  const part = draft.parts[at];
  if (part === undefined) return;
  const little = draft.littleEndian;
  const table = draft.parts.findIndex(({ pieces }) =>
    part.what === "plain"
      ? pieces[0]?.what === "names"
      : pieces.some(({ what }) => what === "btf.strings")
  );
  const strings = draft.parts[table]?.pieces.find(({ what }) =>
    what === "names" || what === "btf.strings"
  );
  if (strings === undefined) return;
  const start = strings.bytes.length;
  let name = 0;
  let id = 0;
  const change = (piece: Piece): Piece => {
    if (piece === strings && variant === "shared names") {
      return { ...piece, bytes: longer(piece.bytes, length) };
    }
    if (piece.what.startsWith("btf.") && piece.elementSize !== 1) id++;
    const bytes = piece.bytes.slice();
    const view = new DataView(bytes.buffer);
    const write = (from: number, role: string): void => {
      if (from + 4 > bytes.length) return;
      if (role === "string" && variant === "shared names") {
        view.setUint32(from, start + name++ % length, little);
      } else if (role === "type" && variant === "chained") {
        view.setUint32(from, Math.max(0, id - 2), little);
      }
    };
    for (const field of piece.head) if (field.size === 4) write(field.at, field.role);
    for (let element = 0; element < elementsOf(piece); element++) {
      const from = piece.headSize + element * piece.elementSize;
      for (const field of piece.element) if (field.size === 4) write(from + field.at, field.role);
    }
    return { ...piece, bytes };
  };
  for (const index of new Set([at, table])) {
    const old = draft.parts[index];
    if (old === undefined) continue;
    const pieces = index === at
      ? old.pieces.map(change)
      : old.pieces.map((piece) =>
        piece === strings && variant === "shared names"
          ? { ...piece, bytes: longer(piece.bytes, length) }
          : piece
      );
    draft.parts[index] = { ...old, pieces };
  }
}

function longer(bytes: Uint8Array, by: number): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(bytes.length + by + 1).fill(0x61);
  longer.set(bytes);
  longer[longer.length - 1] = 0;
  return longer;
}

/** The steps that take more than their share, measured again where one does. */
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
  return exercise(bytes, { sample: new Random(0), timed: true, everything: true }).times;
}
