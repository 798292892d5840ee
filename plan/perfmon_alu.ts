/**
 * Pointer arithmetic, which the verifier restricts without CAP_PERFMON (`adjust_reg_min_max_vals`,
 * `adjust_ptr_min_max_vals` and `sanitize_ptr_alu` in kernel/bpf/verifier.c).
 *
 * @module
 */

import { InstructionClass } from "../object/code/instruction.ts";
import { type Frames, STACK, withRegister } from "./frames.ts";
import { Alu, calculate, lowerHalf, unknownNumber } from "./number_range.ts";
import { register, type Site, valueText } from "./perfmon_site.ts";
import { specialFields } from "./special_fields.ts";
import { ANY, ARENA, constant, isConstant, isPointer, range, type Value } from "./value.ts";

const SOURCE_REGISTER = 0x08;
const OPERATION = 0xf0;

/** Returns the state after an ALU instruction. */
export function aluStep(site: Site): Frames {
  const { instruction, frames } = site;
  return withRegister(frames, instruction.destination, aluValue(site));
}

function aluValue(site: Site): Value {
  const { opcode, destination, source, offset, immediate } = site.instruction;
  const half = (opcode & 7) === InstructionClass.alu;
  const operation = opcode & OPERATION;
  const to = register(site, destination);
  const bySource = (opcode & SOURCE_REGISTER) !== 0;
  if (operation === Alu.end) return unary(site, to, "swaps the bytes of");
  if (operation === Alu.negate) {
    return isPointer(to) ? unary(site, to, "negates") : calculate(operation, to, constant(0), half);
  }
  const given = site.relocated ? unknownNumber() : constant(immediate);
  const from = bySource ? register(site, source) : given;
  if (from.kind === "stale" || (to.kind === "stale" && operation !== Alu.move)) {
    site.report("uses a pointer that an earlier call invalidated", true);
    return unknownNumber();
  }
  if (operation === Alu.move) return moved(site, from, half, bySource ? offset : 0);
  if (to.kind === "arena" || from.kind === "arena") return ARENA;
  if (to.kind === "any" || from.kind === "any") return ANY;
  if (!isPointer(to) && !isPointer(from)) {
    if (bySource && !half && (operation === Alu.add || operation === Alu.subtract)) {
      if (!site.masked("numbers")) mixed(site);
    }
    // A register minus itself, or xor itself, is zero.
    if (bySource && source === destination) {
      if (operation === Alu.xor || operation === Alu.subtract) return constant(0);
    }
    return calculate(operation, to, from, half);
  }
  return pointerValue(site, to, from, half, bySource);
}

function unary(site: Site, value: Value, what: string): Value {
  if (isPointer(value)) site.report(`${what} ${valueText(value)}`, true);
  return unknownNumber();
}

function moved(site: Site, from: Value, half: boolean, offset: number): Value {
  // `addr_space_cast`.
  if (!half && offset === 1) return site.instruction.immediate === 1 ? ARENA : unknownNumber();
  if (!half && offset === 0) return from;
  if (isPointer(from) && from.kind !== "arena") {
    site.report(`takes a part of ${valueText(from)}`, true);
    return unknownNumber();
  }
  if (from.kind !== "number") {
    return half && offset === 0 && from.kind === "any" ? ANY : unknownNumber();
  }
  if (offset === 0) return lowerHalf(from);
  const most = 2 ** (offset - 1);
  return from.low >= -most && from.high < most ? from : range(-most, most - 1, from.joined);
}

function pointerValue(
  site: Site,
  to: Value,
  from: Value,
  half: boolean,
  bySource: boolean,
): Value {
  const operation = site.instruction.opcode & OPERATION;
  if (isPointer(to) && isPointer(from)) {
    site.report(`subtracts ${valueText(from)} from ${valueText(to)}`, true);
    return unknownNumber();
  }
  if (half) {
    site.report(`calculates with the lower half of ${valueText(isPointer(to) ? to : from)}`, true);
    return unknownNumber();
  }
  if (operation !== Alu.add && operation !== Alu.subtract) return unknownNumber();
  const [pointer, number] = isPointer(to) ? [to, from] : [from, to];
  const result = shifted(pointer, number, operation);
  const { kind } = pointer;
  const masks = kind === "stack" || kind === "map-value";
  if (bySource && !masks) {
    site.report(`adds a register to ${valueText(pointer)}`, true);
    return result;
  }
  if (bySource) checkMask(site, pointer, number, operation);
  checkBounds(site, result);
  return result;
}

function shifted(pointer: Value, number: Value, operation: number): Value {
  const low = operation === Alu.add ? pointer.low + number.low : pointer.low - number.high;
  const high = operation === Alu.add ? pointer.high + number.high : pointer.high - number.low;
  return {
    ...pointer,
    low: Number.isSafeInteger(low) ? low : -Infinity,
    high: Number.isSafeInteger(high) ? high : Infinity,
    joined: pointer.joined || number.joined,
  };
}

/**
 * Checks that every path masks the addition with the same limit, as speculation sanitation
 * requires.
 */
function checkMask(site: Site, pointer: Value, number: Value, operation: number): void {
  const known = isConstant(number);
  if (!known && number.low < 0 && number.high >= 0) {
    // A number without a bound may have one that only the verifier sees.
    const certain = Number.isFinite(number.low) && !number.joined;
    site.report(`adds a number of either sign to ${valueText(pointer)}`, certain);
  }
  if (number.joined) return;
  const negative = number.low < 0;
  const left = operation === Alu.add ? negative : !negative;
  const most = known ? Math.abs(number.low) : left ? -number.low : number.high;
  const key = known || !Number.isFinite(most)
    ? `${known} ${negative} ${most}`
    : `range ${negative}`;
  if (!site.masked(key)) mixed(site);
}

function mixed(site: Site): void {
  // The verifier may prune the second state as equal to the first, and then never sees its number.
  site.report(
    "adds numbers with different speculation masks at one instruction",
    false,
  );
}

/** Reports pointers that may leave their object, which the verifier refuses without CAP_PERFMON. */
function checkBounds(site: Site, result: Value): void {
  const { kind, low, high, joined, map } = result;
  const fixed = low === high;
  if (kind === "stack") {
    if (!fixed) {
      site.report("computes a stack address with a variable offset", !joined);
    } else if (low >= 0 || low < -STACK) {
      site.report("computes an address outside its stack", true);
    }
    return;
  }
  if (kind !== "map-value" || map === undefined || map.valueSize === 0) return;
  if (low < 0 || high >= map.valueSize) {
    const text = "computes a pointer outside a map's value";
    if (fixed || low >= map.valueSize || high < 0) site.report(text, true);
    else if (!joined) site.report(text, false);
    return;
  }
  const special = specialFields(site.object.btf, map).find(({ offset, size }) =>
    low < offset + size && offset <= high
  );
  if (special !== undefined) {
    site.report(`computes a pointer to the ${special.name} in a map's value`, fixed);
  }
}
