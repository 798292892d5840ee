/**
 * Prints the holes of a struct so that a C compiler reproduces them.
 *
 * @module
 */

/** Padding types, widest first. */
const PADS = [["long", 64], ["int", 32], ["short", 16], ["char", 8]] as const;
/** A hole of more bits is printed as a char array instead of bitfields. */
const BIGGEST_HOLE = 1024;

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/**
 * Returns the declarations that fill the bits from `from` to `to` before a member aligned to
 * `nextAlignment` bytes; none where the compiler leaves that hole by itself.
 *
 * `unique` numbers the paddings that need a name.
 */
export function fillHole(
  from: number,
  to: number,
  nextAlignment: number,
  inBitfield: boolean,
  unique: () => number,
): string[] {
  if (from >= to) return [];
  if (to - from > BIGGEST_HOLE) {
    const start = roundUp(from, 8);
    const bytes = Math.floor((to - start) / 8);
    const head = start > from ? [`char: ${start - from};`] : [];
    return [...head, `char __padding_${unique()}[${bytes}];`];
  }
  const lines: string[] = [];
  let at = from;
  let [pad, bits]: readonly [string, number] = PADS[3];
  let aligned = at;
  for ([pad, bits] of PADS) {
    aligned = roundUp(at, bits);
    if (aligned <= to) break;
  }
  if (aligned > at && aligned <= to) {
    // An explicit mark is needed where the next member's alignment does not reach this boundary, or where
    // the following padding would fit into the hole before it.
    const needed = inBitfield ||
      (aligned === to && roundUp(at, nextAlignment * 8) !== aligned) ||
      (aligned !== to && to - aligned <= aligned - at);
    if (needed) lines.push(`${pad}: ${inBitfield ? aligned - at : 0};`);
    at = aligned;
  }
  while (at < to) {
    const rest = Math.min(to - at, bits);
    if (rest < bits) {
      const smallest = PADS.findLast(([, width]) => width >= rest) ?? PADS[0];
      [pad, bits] = smallest;
    }
    lines.push(`${pad}: ${rest};`);
    at += rest;
  }
  return lines;
}
