/**
 * Arithmetic and comparisons on numbers known within bounds.
 *
 * Bounds are signed 64-bit numbers, as far as JavaScript integers are exact; beyond that a bound
 * becomes infinite.
 *
 * @module
 */

import { constant, isConstant, NUMBER, range, type Value } from "./value.ts";

/** ALU operations: the upper four bits of an opcode. */
export const Alu = {
  add: 0x00,
  subtract: 0x10,
  multiply: 0x20,
  divide: 0x30,
  or: 0x40,
  and: 0x50,
  shiftLeft: 0x60,
  shiftRight: 0x70,
  negate: 0x80,
  modulo: 0x90,
  xor: 0xa0,
  move: 0xb0,
  arithmeticShift: 0xc0,
  end: 0xd0,
} as const;

/** Comparisons: the upper four bits of an opcode. */
export const Compare = {
  equal: 0x10,
  above: 0x20,
  aboveOrEqual: 0x30,
  test: 0x40,
  notEqual: 0x50,
  greater: 0x60,
  greaterOrEqual: 0x70,
  below: 0xa0,
  belowOrEqual: 0xb0,
  less: 0xc0,
  lessOrEqual: 0xd0,
} as const;

const MOST_32 = 0xffffffff;

/** Returns a new unknown number. Values are compared by identity. */
export function unknownNumber(): Value {
  return { ...NUMBER };
}

/** Returns the lower 32 bits of a number. */
export function lowerHalf(value: Value): Value {
  if (value.low >= 0 && value.high <= MOST_32) return value;
  if (isConstant(value)) return constant(Number(BigInt.asUintN(32, BigInt(value.low))));
  return range(0, MOST_32, value.joined);
}

/** Returns the result of an operation on two numbers. */
export function calculate(operation: number, left: Value, right: Value, half: boolean): Value {
  const one = half ? lowerHalf(left) : left;
  const other = half ? lowerHalf(right) : right;
  const { low, high } = bounds(operation, one, other, half);
  const joined = left.joined || right.joined;
  const result = range(low, high, joined);
  return half ? lowerHalf(result) : result;
}

interface Bounds {
  readonly low: number;
  readonly high: number;
}

const NOTHING: Bounds = { low: -Infinity, high: Infinity };

function bounds(operation: number, left: Value, right: Value, half: boolean): Bounds {
  const natural = left.low >= 0 && right.low >= 0;
  switch (operation) {
    case Alu.add:
      return { low: left.low + right.low, high: left.high + right.high };
    case Alu.subtract:
      return { low: left.low - right.high, high: left.high - right.low };
    case Alu.multiply:
      return natural ? { low: left.low * right.low, high: left.high * right.high } : NOTHING;
    case Alu.and:
      if (isConstant(left) && isConstant(right)) return exact(left.low & right.low, left, right);
      if (right.low >= 0) {
        return { low: 0, high: Math.min(right.high, left.low >= 0 ? left.high : Infinity) };
      }
      return left.low >= 0 ? { low: 0, high: left.high } : NOTHING;
    case Alu.or:
    case Alu.xor:
      return natural ? { low: 0, high: ones(Math.max(left.high, right.high)) } : NOTHING;
    case Alu.shiftLeft:
      return left.low >= 0 && isConstant(right) && right.low < 64
        ? { low: left.low * 2 ** right.low, high: left.high * 2 ** right.low }
        : NOTHING;
    case Alu.shiftRight:
      if (!isConstant(right) || right.low < 0 || right.low > 63) return NOTHING;
      return left.low >= 0
        ? {
          low: Math.floor(left.low / 2 ** right.low),
          high: Math.floor(left.high / 2 ** right.low),
        }
        : { low: 0, high: 2 ** ((half ? 32 : 64) - right.low) - 1 };
    case Alu.divide:
      return left.low >= 0 && isConstant(right) && right.low > 0
        ? { low: Math.floor(left.low / right.low), high: Math.floor(left.high / right.low) }
        : NOTHING;
    case Alu.modulo:
      return left.low >= 0 && isConstant(right) && right.low > 0
        ? { low: 0, high: Math.min(left.high, right.low - 1) }
        : NOTHING;
    case Alu.arithmeticShift:
      return isConstant(right) && right.low >= 0 && right.low < 64
        ? {
          low: Math.floor(left.low / 2 ** right.low),
          high: Math.floor(left.high / 2 ** right.low),
        }
        : NOTHING;
    case Alu.negate:
      return { low: -left.high, high: -left.low };
    default:
      return NOTHING;
  }
}

function exact(value: number, left: Value, right: Value): Bounds {
  const small = Math.abs(left.low) < 2 ** 31 && Math.abs(right.low) < 2 ** 31;
  return small ? { low: value, high: value } : { low: Math.min(0, value), high: Infinity };
}

/** Returns the smallest number 2^n - 1 that is not less than `value`. */
function ones(value: number): number {
  return Number.isFinite(value) ? 2 ** Math.ceil(Math.log2(value + 1)) - 1 : Infinity;
}

/** Returns whether a comparison holds; undefined when it may or may not. */
export function compare(
  operation: number,
  left: Value,
  right: Value,
  half: boolean,
): boolean | undefined {
  const one = half ? lowerHalf(left) : left;
  const other = half ? lowerHalf(right) : right;
  const signed = SIGNED.has(operation);
  // 32-bit signed comparisons read values from 2^31 on as negative; unsigned ones read negatives as
  // large.
  if (signed && half && (one.high > 0x7fffffff || other.high > 0x7fffffff)) return undefined;
  if (
    !signed && operation !== Compare.equal && operation !== Compare.notEqual &&
    (one.low < 0 || other.low < 0)
  ) return undefined;
  const apart = one.high < other.low || one.low > other.high;
  const same = isConstant(one) && isConstant(other) && one.low === other.low;
  switch (operation) {
    case Compare.equal:
      return apart ? false : same ? true : undefined;
    case Compare.notEqual:
      return apart ? true : same ? false : undefined;
    case Compare.above:
    case Compare.greater:
      return one.low > other.high ? true : one.high <= other.low ? false : undefined;
    case Compare.aboveOrEqual:
    case Compare.greaterOrEqual:
      return one.low >= other.high ? true : one.high < other.low ? false : undefined;
    case Compare.below:
    case Compare.less:
      return one.high < other.low ? true : one.low >= other.high ? false : undefined;
    case Compare.belowOrEqual:
    case Compare.lessOrEqual:
      return one.high <= other.low ? true : one.low > other.high ? false : undefined;
    case Compare.test:
      return isConstant(one) && isConstant(other) && one.high < 2 ** 31 && other.high < 2 ** 31
        ? (one.low & other.low) !== 0
        : one.high === 0 && one.low === 0
        ? false
        : undefined;
    default:
      return undefined;
  }
}

const SIGNED: ReadonlySet<number> = new Set([
  Compare.greater,
  Compare.greaterOrEqual,
  Compare.less,
  Compare.lessOrEqual,
]);

/** The negation of each comparison. */
const OPPOSITE: ReadonlyMap<number, number> = new Map([
  [Compare.equal, Compare.notEqual],
  [Compare.notEqual, Compare.equal],
  [Compare.above, Compare.belowOrEqual],
  [Compare.belowOrEqual, Compare.above],
  [Compare.aboveOrEqual, Compare.below],
  [Compare.below, Compare.aboveOrEqual],
  [Compare.greater, Compare.lessOrEqual],
  [Compare.lessOrEqual, Compare.greater],
  [Compare.greaterOrEqual, Compare.less],
  [Compare.less, Compare.greaterOrEqual],
]);

/** Narrows a number by the outcome of a comparison. */
export function refine(
  operation: number,
  left: Value,
  right: Value,
  half: boolean,
  holds: boolean,
): Value {
  const known = holds ? operation : OPPOSITE.get(operation);
  if (known === undefined || isConstant(left)) return left;
  if (half && !(left.low >= 0 && left.high <= MOST_32)) return left;
  const other = half ? lowerHalf(right) : right;
  if (half && SIGNED.has(known) && left.high > 0x7fffffff) return left;
  let { low, high } = left;
  // An unsigned number below a small bound is not negative.
  const natural = low >= 0;
  switch (known) {
    case Compare.equal:
      low = Math.max(low, other.low);
      high = Math.min(high, other.high);
      break;
    case Compare.notEqual:
      if (isConstant(other) && low === other.low) low++;
      if (isConstant(other) && high === other.low) high--;
      break;
    case Compare.above:
      if (natural && other.low >= 0) low = Math.max(low, other.low + 1);
      break;
    case Compare.aboveOrEqual:
      if (natural && other.low >= 0) low = Math.max(low, other.low);
      break;
    case Compare.below:
      if (other.low >= 0) [low, high] = [Math.max(0, low), Math.min(high, other.high - 1)];
      break;
    case Compare.belowOrEqual:
      if (other.low >= 0) [low, high] = [Math.max(0, low), Math.min(high, other.high)];
      break;
    case Compare.greater:
      low = Math.max(low, other.low + 1);
      break;
    case Compare.greaterOrEqual:
      low = Math.max(low, other.low);
      break;
    case Compare.less:
      high = Math.min(high, other.high - 1);
      break;
    case Compare.lessOrEqual:
      high = Math.min(high, other.high);
      break;
  }
  return low > high || (low === left.low && high === left.high)
    ? left
    : range(low, high, left.joined);
}
