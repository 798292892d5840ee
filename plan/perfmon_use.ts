/**
 * Finds what a program does that the verifier allows only with CAP_PERFMON.
 *
 * Follows the program as the verifier does: all paths, with registers, stacks and calls. The effort
 * is bounded: numbers are tracked as ranges, and states are joined where too many meet at one
 * instruction. A use that is certain on exactly known values is reported as needed; others as
 * possible.
 *
 * @module
 */

import { InstructionClass, Opcode, Pseudo } from "../object/code/instruction.ts";
import type { ProgramSpec } from "../object/spec/spec.ts";
import { Helper } from "../uapi/enums.ts";
import {
  type Frame,
  type Frames,
  joinFrames,
  newFrame,
  sameFrames,
  withRegister,
  withStack,
} from "./frames.ts";
import type { CodeFunction, Functions } from "./functions.ts";
import { globalArguments, globalMemory } from "./kfunc_types.ts";
import { unknownNumber } from "./number_range.ts";
import { aluStep } from "./perfmon_alu.ts";
import { branchStep } from "./perfmon_branch.ts";
import { afterCall, type Callback, helperStep, kfuncStep, returnsPointer } from "./perfmon_call.ts";
import { loadStep, readStack, storeStep } from "./perfmon_memory.ts";
import {
  type Effort,
  type ObjectFacts,
  register,
  type Site,
  top,
  valueText,
} from "./perfmon_site.ts";
import { ANY, ARENA, constant, CONTEXT, pointer, UNSET, type Value } from "./value.ts";

/** One use of CAP_PERFMON. */
export interface PerfmonUse {
  /** Name of the function that contains it. */
  readonly function: string;
  /** Index of the instruction in the function. */
  readonly instruction: number;
  /** What it does, as a predicate. */
  readonly text: string;
  /** Whether the verifier certainly refuses it without CAP_PERFMON. */
  readonly certain: boolean;
}

/** States kept apart per instruction before they are joined. */
const APART = 12;
/** Joins per instruction before growing bounds become infinite. */
const JOINS = 4;
/** Limit of followed instructions: per instruction of the program, at least, and at most. */
const STEPS_EACH = 64;
const STEPS_LEAST = 4096;
const STEPS_MOST = 150_000;
/** Default limit of followed instructions for all programs of an object together. */
export const MOST_STEPS = 500_000;
/** Call depth that the kernel allows (MAX_CALL_FRAMES). */
const DEEPEST = 8;
/** Multiplier of call chains in place numbers; larger than any function. */
const PLACES = 2 ** 21;

/**
 * Returns what a program does that needs CAP_PERFMON: the first certain use, or else all possible
 * ones.
 *
 * The followed instructions are subtracted from `effort`.
 */
export function perfmonUse(
  program: ProgramSpec,
  functions: Functions,
  object: ObjectFacts,
  effort: Effort = { steps: MOST_STEPS },
): readonly PerfmonUse[] {
  return new Walk(program, functions, object).uses(effort);
}

interface Place {
  /** States kept apart. */
  readonly states: Frames[];
  /** All of them joined. */
  joined: Frames | undefined;
  joins: number;
}

class Walk {
  readonly #program: ProgramSpec;
  readonly #functions: Functions;
  readonly #object: ObjectFacts;
  readonly #places = new Map<number, Place>();
  readonly #work: [at: number, frames: Frames][] = [];
  readonly #chains = new Map<string, number>();
  readonly #masks = new Map<string, string>();
  readonly #found = new Map<string, PerfmonUse>();
  #certain: PerfmonUse | undefined;

  constructor(program: ProgramSpec, functions: Functions, object: ObjectFacts) {
    this.#program = program;
    this.#functions = functions;
    this.#object = object;
  }

  uses(effort: Effort): readonly PerfmonUse[] {
    const main = this.#functions.program(this.#program);
    const reachable = this.#functions.reachable(this.#program) ?? [main];
    const count = reachable.reduce((sum, one) => sum + one.instructions.length, 0);
    let steps = Math.min(effort.steps, STEPS_MOST, STEPS_LEAST + STEPS_EACH * count);
    this.#enter(main, [CONTEXT]);
    for (const [index, one] of reachable.entries()) {
      if (one === main || !one.global) continue;
      this.#enter(one, globalArguments(this.#object.btf, one.name, (index + 1) * 8));
    }
    for (let next = this.#work.pop(); next !== undefined; next = this.#work.pop()) {
      if (this.#certain !== undefined) return [this.#certain];
      effort.steps--;
      if (steps-- <= 0) {
        this.#add(main, 0, "is too long to analyze to its end", false);
        break;
      }
      this.#step(...next);
    }
    return this.#certain === undefined ? [...this.#found.values()] : [this.#certain];
  }

  #enter(one: CodeFunction, values: readonly Value[]): void {
    const chain = this.#chain(0, one, this.#chains.size);
    this.#reach(0, [newFrame(one, values, 0, { returnTo: -1, chain })]);
  }

  #chain(caller: number, one: CodeFunction, at: number): number {
    const key = `${caller} ${at} ${one.name}`;
    let found = this.#chains.get(key);
    if (found === undefined) this.#chains.set(key, found = this.#chains.size + 1);
    return found;
  }

  #add(one: CodeFunction, instruction: number, text: string, certain: boolean): void {
    const use: PerfmonUse = { function: one.name, instruction, text, certain };
    if (certain) this.#certain ??= use;
    const key = `${one.name} ${instruction} ${text}`;
    if (!this.#found.has(key)) this.#found.set(key, use);
  }

  #reach(at: number, frames: Frames): void {
    const { function: one, chain } = top(frames);
    if (at < 0 || at >= one.instructions.length) return;
    const key = chain * PLACES + at;
    let place = this.#places.get(key);
    if (place === undefined) {
      this.#places.set(key, place = { states: [], joined: undefined, joins: 0 });
    }
    if (place.joined !== undefined) {
      const joined = joinFrames(place.joined, frames, place.joins > JOINS);
      if (sameFrames(joined, place.joined)) return;
      place.joined = joined;
      place.joins++;
      this.#work.push([at, joined]);
      return;
    }
    if (place.states.some((state) => sameFrames(state, frames))) return;
    place.states.push(frames);
    if (place.states.length <= APART) {
      this.#work.push([at, frames]);
      return;
    }
    place.joined = place.states.reduce((all, state) => joinFrames(all, state, false));
    this.#work.push([at, place.joined]);
  }

  #step(at: number, frames: Frames): void {
    const frame = top(frames);
    const { function: one } = frame;
    const instruction = one.instructions[at];
    if (instruction === undefined) return;
    const target = one.targets.get(at);
    const site: Site = {
      type: this.#program.type,
      object: this.#object,
      instruction,
      at,
      target,
      relocated: one.relocated.has(at),
      frames,
      id: frame.chain * PLACES + at + 1,
      report: (text, certain) => this.#add(one, at, text, certain),
      masked: (key) => {
        const place = `${one.name} ${at}`;
        const before = this.#masks.get(place);
        if (before === undefined) this.#masks.set(place, key);
        return before === undefined || before === key;
      },
    };
    const { opcode, offset, immediate } = instruction;
    switch (opcode & 7) {
      case InstructionClass.alu:
      case InstructionClass.alu64:
        return this.#reach(at + 1, aluStep(site));
      case InstructionClass.ldx:
        return this.#reach(at + 1, loadStep(site));
      case InstructionClass.st:
      case InstructionClass.stx:
        return this.#reach(at + 1, storeStep(site));
      case InstructionClass.ld:
        if (opcode !== Opcode.loadImmediate64) {
          // BPF_LD_ABS and BPF_LD_IND clobber registers 1 to 5.
          return this.#reach(at + 1, afterCall(frames, unknownNumber()));
        }
        return this.#reach(
          at + 2,
          withRegister(frames, instruction.destination, this.#immediate(site)),
        );
    }
    if (opcode === Opcode.exit) return this.#exit(site);
    if (opcode === Opcode.call) return this.#call(site);
    if (opcode === 0x05) return this.#reach(at + 1 + offset, frames);
    if (opcode === 0x06) return this.#reach(at + 1 + immediate, frames);
    if (opcode === MAY_GOTO) {
      this.#reach(at + 1, frames);
      return this.#reach(at + 1 + offset, frames);
    }
    if (opcode === INDIRECT_JUMP) {
      return site.report("jumps through a table, which this analysis does not follow", false);
    }
    const { jump, next, decided } = branchStep(site);
    if (decided && one.loops(at)) {
      site.report(
        "counts a loop with known numbers, which a speculative path may not leave",
        false,
      );
    }
    if (jump !== undefined) this.#reach(at + 1 + offset, jump);
    if (next !== undefined) this.#reach(at + 1, next);
  }

  #immediate({ at, target, instruction, frames, report, relocated }: Site): Value {
    switch (target?.kind) {
      case "map":
        if (target.map.type === "arena") report("uses an arena", true);
        return pointer("map", { map: target.map });
      case "data":
        if (target.map.type === "arena") {
          report("uses an arena", true);
          return ARENA;
        }
        return pointer("map-value", { map: target.map, low: target.offset, high: target.offset });
      case "function":
        return pointer("function", { function: target.function });
      case undefined: {
        const upper = top(frames).function.instructions[at + 1]?.immediate ?? 0;
        const lower = BigInt(instruction.immediate >>> 0);
        const value = Number(BigInt.asIntN(64, lower | BigInt(upper) << 32n));
        return relocated || !Number.isSafeInteger(value) ? unknownNumber() : constant(value);
      }
      default:
        return { ...ANY };
    }
  }

  #call(site: Site): void {
    const { instruction: { source, immediate }, target, frames, at } = site;
    if (source === Pseudo.call && target?.kind === "function") {
      return this.#enterFunction(site, target.function);
    }
    const known = target?.kind === "kfunc"
      ? kfuncStep(site, target.name)
      : source === 0
      ? helperStep(site, immediate)
      : undefined;
    if (known === undefined) {
      site.report("calls a function that this analysis cannot resolve", false);
      return this.#reach(at + 1, afterCall(frames, { ...ANY }));
    }
    this.#reach(at + 1, known.frames);
    if (source === 0 && immediate === Helper.tail_call) return;
    if (known.callback !== undefined) this.#callback(site, known.frames, known.callback);
  }

  #enterFunction(site: Site, one: CodeFunction): void {
    const { at } = site;
    let { frames } = site;
    if (one.global) {
      for (const { address, size } of globalMemory(this.#object.btf, one.name)) {
        const value = register(site, address);
        const stack = frames[value.frame ?? -1]?.stack;
        if (value.kind !== "stack" || stack === undefined || value.low !== value.high) continue;
        readStack(site, value.frame ?? -1, value.low, size, `hands ${one.name}`);
        frames = withStack(frames, value.frame ?? -1, stack.fill(value.low, size, true));
      }
      return this.#reach(at + 1, afterCall(frames, unknownNumber()));
    }
    if (frames.length >= DEEPEST) return;
    const values = [1, 2, 3, 4, 5].map((number) => register(site, number));
    const chain = this.#chain(top(frames).chain, one, at);
    const called = newFrame(one, values, frames.length, { returnTo: at + 1, chain });
    this.#reach(0, [...frames, called]);
  }

  #callback({ at }: Site, frames: Frames, { function: one, values, kind }: Callback): void {
    if (kind === "async") return this.#enter(one, values);
    if (frames.length >= DEEPEST) return;
    const chain = this.#chain(top(frames).chain, one, at);
    this.#reach(0, [
      ...frames,
      newFrame(one, values, frames.length, { returnTo: at + 1, chain, callback: kind }),
    ]);
  }

  #exit(site: Site): void {
    const { frames } = site;
    const frame = top(frames);
    if (frames.length === 1) {
      const value = returnsPointer(frames);
      if (value !== undefined) site.report(`returns ${valueText(value)}`, true);
      return;
    }
    const before = frames.slice(0, -1);
    if (frame.callback !== undefined) {
      // The callback was entered with the state after the call; continue with that and its writes.
      this.#reach(frame.returnTo, before);
      const again = newFrame(frame.function, this.#again(frame), before.length, frame);
      return this.#reach(0, [...before, again]);
    }
    const result = frame.registers[0] ?? UNSET;
    this.#reach(frame.returnTo, afterCall(before, result));
  }

  /** Returns a callback's arguments for the next call: the same as for the first. */
  #again({ chain }: Frame): readonly Value[] {
    const first = this.#places.get(chain * PLACES)?.states[0];
    return first === undefined ? [] : top(first).registers.slice(1, 6);
  }
}

/** `gotox`, an indirect jump through a register. */
const INDIRECT_JUMP = 0x0d;
/** `may_goto`. */
const MAY_GOTO = 0xe5;
