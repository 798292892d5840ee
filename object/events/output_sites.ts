/**
 * Finds the calls that write events, and the events' sizes, by constant propagation over the instructions.
 *
 * @module
 */

import { Helper } from "../../uapi/enums.ts";
import { immediateOf, InstructionClass, isLoad64, Opcode, opcodeOf } from "../code/instruction.ts";

/** A call that writes an event. */
export interface OutputSite {
  /** Name of the map. */
  readonly map: string;
  /** Index of the call. */
  readonly instruction: number;
  /** Size of the event in bytes; undefined when it is not a constant. */
  readonly size: number | undefined;
}

/** Helpers that write events, with the registers of the map and of the size. */
const OUTPUTS: { readonly [helper: number]: readonly [map: number, size: number] } = {
  [Helper.ringbuf_reserve]: [1, 2],
  [Helper.ringbuf_output]: [1, 3],
  [Helper.ringbuf_reserve_dynptr]: [1, 2],
  [Helper.perf_event_output]: [2, 5],
  [Helper.skb_output]: [2, 5],
  [Helper.xdp_output]: [2, 5],
};

/** Content of a register: a constant, a map by name, or unknown. */
type Value = number | string | undefined;
type Registers = Value[];

/**
 * Finds the calls in a function that write events to a known map.
 *
 * Values are tracked through moves of constants, maps and registers, and along both sides of every branch;
 * any other operation makes a register unknown. States are kept only at branch targets, and each can lose
 * at most its eleven registers, so time and memory are linear in the code's size.
 *
 * @param code The function's instructions, eight bytes each, linked or not.
 * @param maps Names of maps, by the index of the instruction that loads the map.
 */
export function outputSites(code: Uint8Array, maps: ReadonlyMap<number, string>): OutputSite[] {
  const count = Math.floor(code.length / 8);
  const targets = branchTargets(code, count);
  const known = new Map<number, Registers>();
  const work: number[] = [];

  const reach = (index: number, registers: Registers): void => {
    const before = known.get(index);
    if (before === undefined) known.set(index, [...registers]);
    else if (!meet(before, registers)) return;
    work.push(index);
  };

  /** Steps from `start` until the path ends or reaches a branch target. */
  const walk = (start: number, visit: (index: number, registers: Registers) => void): void => {
    const registers = [...known.get(start) as Registers];
    for (let index = start; index < count;) {
      if (index !== start && targets.has(index)) return reach(index, registers);
      visit(index, registers);
      const next = step(code, index, registers, maps);
      if (next.jump !== undefined && next.jump >= 0 && next.jump < count) {
        reach(next.jump, registers);
      }
      if (next.follow === undefined) return;
      index = next.follow;
    }
  };

  const nothing = (): void => {};
  targets.add(0);
  reach(0, new Array<Value>(11).fill(undefined));
  for (let index = work.pop(); index !== undefined; index = work.pop()) walk(index, nothing);

  const found: OutputSite[] = [];
  for (const start of [...known.keys()].sort((a, b) => a - b)) {
    walk(start, (index, registers) => {
      const site = siteAt(code, index, registers);
      if (site !== undefined) found.push(site);
    });
  }
  return found;
}

/** Returns the indices of all branch targets. */
function branchTargets(code: Uint8Array, count: number): Set<number> {
  const targets = new Set<number>();
  for (let index = 0; index < count; index++) {
    if (isLoad64(code, index)) {
      index++;
      continue;
    }
    const target = jumpTarget(code, index);
    if (target !== undefined) targets.add(target);
  }
  return targets;
}

/** Returns the target of a branch; undefined for all other instructions, including calls and exits. */
function jumpTarget(code: Uint8Array, index: number): number | undefined {
  const opcode = opcodeOf(code, index);
  const group = opcode & 7;
  if (group !== InstructionClass.jmp && group !== InstructionClass.jmp32) return undefined;
  if ((opcode & 0xf0) === 0x80 || (opcode & 0xf0) === 0x90) return undefined;
  const at = index * 8;
  const offset = ((code[at + 2] as number) | (code[at + 3] as number) << 8) << 16 >> 16;
  // JMP32|JA (gotol) has its distance in the immediate.
  return index + 1 + (opcode === 0x06 ? immediateOf(code, index) : offset);
}

/** Makes registers of `into` unknown that differ in `from`. Returns whether any changed. */
function meet(into: Registers, from: Registers): boolean {
  let changed = false;
  for (const [register, value] of into.entries()) {
    if (value === undefined || value === from[register]) continue;
    into[register] = undefined;
    changed = true;
  }
  return changed;
}

/** Successors of an instruction: the next one, a branch target, both or none. */
interface Next {
  readonly follow?: number | undefined;
  readonly jump?: number | undefined;
}

/** Applies one instruction to the registers and returns its successors. */
function step(
  code: Uint8Array,
  index: number,
  registers: Registers,
  maps: ReadonlyMap<number, string>,
): Next {
  const opcode = opcodeOf(code, index);
  const destination = (code[index * 8 + 1] as number) & 15;
  const source = (code[index * 8 + 1] as number) >> 4;
  if (isLoad64(code, index)) {
    registers[destination] = maps.get(index) ?? wide(code, index, source);
    return { follow: index + 2 };
  }
  switch (opcode & 7) {
    case InstructionClass.alu:
    case InstructionClass.alu64:
      registers[destination] = arithmetic(code, index, opcode, registers[source]);
      break;
    case InstructionClass.ldx:
      registers[destination] = undefined;
      break;
    case InstructionClass.ld:
      registers.fill(undefined, 0, 6);
      break;
    case InstructionClass.stx:
      // Atomic operations may write their source register, or r0.
      if ((opcode & 0xe0) === 0xc0) registers[source] = registers[0] = undefined;
      break;
    case InstructionClass.jmp:
    case InstructionClass.jmp32: {
      const operation = opcode & 0xf0;
      if (operation === 0x90) return {};
      if (operation === 0x80) {
        registers.fill(undefined, 0, 6);
        break;
      }
      const jump = jumpTarget(code, index) as number;
      return operation === 0 ? { jump } : { jump, follow: index + 1 };
    }
  }
  return { follow: index + 1 };
}

/** Returns the result of a move; unknown for other arithmetic and for sign-extending moves. */
function arithmetic(code: Uint8Array, index: number, opcode: number, source: Value): Value {
  if ((opcode & 0xf0) !== 0xb0 || (code[index * 8 + 2] as number) !== 0) return undefined;
  if ((opcode & 8) === 0) return immediateOf(code, index);
  return (opcode & 7) === InstructionClass.alu64 || typeof source === "number" ? source : undefined;
}

/** Returns a 64-bit constant whose upper half is 0; unknown for any other load. */
function wide(code: Uint8Array, index: number, source: number): Value {
  const high = (index + 1) * 8 < code.length ? immediateOf(code, index + 1) : -1;
  return source === 0 && high === 0 ? immediateOf(code, index) : undefined;
}

/** Returns the call at an index if it writes events to a known map. */
function siteAt(code: Uint8Array, index: number, registers: Registers): OutputSite | undefined {
  if (opcodeOf(code, index) !== Opcode.call || (code[index * 8 + 1] as number) !== 0) {
    return undefined;
  }
  const output = OUTPUTS[immediateOf(code, index)];
  if (output === undefined) return undefined;
  const map = registers[output[0]];
  const size = registers[output[1]];
  if (typeof map !== "string") return undefined;
  return { map, instruction: index, size: typeof size === "number" && size > 0 ? size : undefined };
}
