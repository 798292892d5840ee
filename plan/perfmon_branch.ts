/**
 * Conditional jumps: which branches the verifier follows, what it infers, and the pointer
 * comparisons that it allows only with CAP_PERFMON (`check_cond_jmp_op` in kernel/bpf/verifier.c).
 *
 * @module
 */

import { InstructionClass } from "../object/code/instruction.ts";
import { type Frames, mapValues } from "./frames.ts";
import { Compare, compare, refine, unknownNumber } from "./number_range.ts";
import { register, type Site, valueText } from "./perfmon_site.ts";
import { constant, isConstant, isPointer, type Value } from "./value.ts";

/** The state on both branches; undefined for one that is never taken. */
export interface Branches {
  /** When the comparison holds. */
  readonly jump: Frames | undefined;
  /** When it does not hold. */
  readonly next: Frames | undefined;
  /** Whether known numbers ruled one branch out. */
  readonly decided: boolean;
}

const SOURCE_REGISTER = 0x08;
const OPERATION = 0xf0;
/** Comparisons of a packet pointer with the packet's end from which the verifier infers a range. */
const ORDERS: ReadonlySet<number> = new Set([
  Compare.above,
  Compare.aboveOrEqual,
  Compare.below,
  Compare.belowOrEqual,
]);

/**
 * Pointers that the verifier knows not to be null (`reg_not_null`); context and stack are not among
 * them.
 */
const NEVER_NULL: ReadonlySet<Value["kind"]> = new Set(["map", "map-value", "socket"]);

/** Follows a conditional jump. */
export function branchStep(site: Site): Branches {
  const { opcode, destination, source, immediate } = site.instruction;
  const half = (opcode & 7) === InstructionClass.jmp32;
  const operation = opcode & OPERATION;
  const bySource = (opcode & SOURCE_REGISTER) !== 0;
  const left = register(site, destination);
  const right = bySource
    ? register(site, source)
    : site.relocated
    ? unknownNumber()
    : constant(immediate);
  const { frames } = site;
  const both: Branches = { jump: frames, next: frames, decided: false };
  if (left.kind === "stale" || right.kind === "stale") {
    site.report("uses a pointer that an earlier call invalidated", true);
    return both;
  }
  if (left.kind === "any" || right.kind === "any") return both;
  if (left.kind === "arena" || right.kind === "arena") return both;
  if (isPointer(left) || isPointer(right)) {
    return pointers(site, left, right, operation, half, bySource);
  }
  const known = compare(operation, left, right, half);
  if (known !== undefined) {
    return { jump: known ? frames : undefined, next: known ? undefined : frames, decided: true };
  }
  return {
    jump: learned(frames, operation, left, right, half, true),
    next: learned(frames, operation, left, right, half, false),
    decided: false,
  };
}

function learned(
  frames: Frames,
  operation: number,
  left: Value,
  right: Value,
  half: boolean,
  holds: boolean,
): Frames {
  const after = refine(operation, left, right, half, holds);
  // Copies of a number are the same JavaScript object.
  let state = after === left ? frames : mapValues(frames, (one) => one === left ? after : one);
  const mirrored = MIRROR.get(operation);
  if (mirrored !== undefined && !isConstant(right)) {
    const other = refine(mirrored, right, left, half, holds);
    if (other !== right) state = mapValues(state, (one) => one === right ? other : one);
  }
  return state;
}

/** Each comparison with its operands swapped. */
const MIRROR: ReadonlyMap<number, number> = new Map([
  [Compare.equal, Compare.equal],
  [Compare.notEqual, Compare.notEqual],
  [Compare.above, Compare.below],
  [Compare.below, Compare.above],
  [Compare.aboveOrEqual, Compare.belowOrEqual],
  [Compare.belowOrEqual, Compare.aboveOrEqual],
  [Compare.greater, Compare.less],
  [Compare.less, Compare.greater],
  [Compare.greaterOrEqual, Compare.lessOrEqual],
  [Compare.lessOrEqual, Compare.greaterOrEqual],
]);

function pointers(
  site: Site,
  left: Value,
  right: Value,
  operation: number,
  half: boolean,
  bySource: boolean,
): Branches {
  const { frames } = site;
  const both: Branches = { jump: frames, next: frames, decided: false };
  const equality = operation === Compare.equal || operation === Compare.notEqual;
  if (!half && equality && isPointer(left) && isConstant(right) && right.low === 0) {
    const isNull = operation === Compare.equal;
    if (left.nullable !== 0 && !bySource) {
      const empty = mapValues(frames, (one) => one.nullable === left.nullable ? constant(0) : one);
      const full = mapValues(
        frames,
        (one) => one.nullable === left.nullable ? { ...one, nullable: 0 } : one,
      );
      return { jump: isNull ? empty : full, next: isNull ? full : empty, decided: false };
    }
    // A pointer that is never null decides the comparison. For kernel objects and memory, that is
    // not tracked.
    if (left.kind === "object" || left.kind === "memory") return both;
    if (left.nullable === 0 && NEVER_NULL.has(left.kind)) {
      return {
        jump: isNull ? undefined : frames,
        next: isNull ? frames : undefined,
        decided: true,
      };
    }
  }
  if (
    !half && bySource && ORDERS.has(operation) && (inPacket(left, right) || inPacket(right, left))
  ) {
    return both;
  }
  if (isPointer(left) && isPointer(right)) {
    site.report(`compares ${valueText(left)} with ${valueText(right)}`, true);
  } else {
    site.report(`compares ${valueText(isPointer(left) ? left : right)} with a number`, true);
  }
  return both;
}

/** Returns whether the verifier infers a packet or metadata range from comparing the two. */
function inPacket(one: Value, end: Value): boolean {
  return one.kind === "packet" && end.kind === "packet-end" ||
    one.kind === "packet-meta" && end.kind === "packet" && end.low === 0 && end.high === 0;
}
