/**
 * The functions of an object before linking, and what each of their instructions refers to.
 *
 * @module
 */

import {
  decodeInstruction,
  type Instruction,
  InstructionClass,
  Opcode,
  Pseudo,
} from "../object/code/instruction.ts";
import type { CoreKind } from "../btf/ext.ts";
import type { MapSpec, ProgramSpec } from "../object/spec/spec.ts";
import type { Plannable } from "./plannable.ts";

/** What an instruction refers to. */
export type InstructionTarget =
  | { readonly kind: "map"; readonly map: MapSpec }
  | { readonly kind: "data"; readonly map: MapSpec; readonly offset: number }
  | { readonly kind: "extern" | "kfunc"; readonly name: string }
  | { readonly kind: "function"; readonly function: CodeFunction }
  | { readonly kind: "unknown" };

type Relocation = NonNullable<Plannable["relocations"]> extends Iterable<infer One> ? One : never;

/**
 * CO-RE kinds that patch in sizes and offsets, for which the object's own values are a good
 * estimate.
 */
const LIKELY: ReadonlySet<CoreKind> = new Set<CoreKind>([
  "byte_offset",
  "byte_size",
  "type_size",
]);

const UNKNOWN: InstructionTarget = { kind: "unknown" };

/** Limit of functions and references to follow, for all programs together. */
const MOST_FOLLOWED = 1_000_000;

/** `gotol`, whose distance is in the immediate. */
const LONG_JUMP = 0x06;

/** Where the code of a function comes from. */
interface Origin {
  readonly name: string;
  readonly code: Uint8Array;
  readonly global: boolean;
  readonly section: string;
  /** First instruction, counted from the start of the section. */
  readonly start: number;
}

/** One function; its instructions are decoded on first access. */
export class CodeFunction {
  /** Name of the function. */
  readonly name: string;
  /** Whether it is a global function, which the verifier checks separately from its callers. */
  readonly global: boolean;
  /** Its instructions, eight bytes each. */
  readonly code: Uint8Array;
  readonly #origin: Origin;
  readonly #functions: Functions;
  #instructions: readonly Instruction[] | undefined;
  #loops: Uint8Array | undefined;
  #targets: ReadonlyMap<number, InstructionTarget> | undefined;
  #relocated: ReadonlySet<number> | undefined;

  /** Creates a function of an object. */
  constructor(origin: Origin, functions: Functions) {
    this.name = origin.name;
    this.global = origin.global;
    this.code = origin.code;
    this.#origin = origin;
    this.#functions = functions;
  }

  /** Its decoded instructions. */
  get instructions(): readonly Instruction[] {
    const count = Math.floor(this.code.length / 8);
    return this.#instructions ??= Array.from(
      { length: count },
      (_, at) => decodeInstruction(this.code, at),
    );
  }

  /** Returns whether an instruction lies in a loop: between a backward jump and its destination. */
  loops(at: number): boolean {
    return (this.#loops ??= loopsOf(this.instructions))[at] === 1;
  }

  /** What instructions refer to, by index. */
  get targets(): ReadonlyMap<number, InstructionTarget> {
    return this.#targets ??= this.#functions.targets(
      this,
      this.#origin.section,
      this.#origin.start,
    );
  }

  /** Instructions that CO-RE patches at load with values that are unknown before. */
  get relocated(): ReadonlySet<number> {
    const { section, start } = this.#origin;
    return this.#relocated ??= this.#functions.relocated(section, start, this.instructions.length);
  }
}

function loopsOf(instructions: readonly Instruction[]): Uint8Array {
  const within = new Uint8Array(instructions.length);
  // From the end: the lowest destination of all later backward jumps.
  let from = instructions.length;
  for (let at = instructions.length - 1; at >= 0; at--) {
    const { opcode, offset, immediate } = instructions[at] as Instruction;
    const jumps = (opcode & 7) === InstructionClass.jmp || (opcode & 7) === InstructionClass.jmp32;
    if (jumps && opcode !== Opcode.call && opcode !== Opcode.exit) {
      const distance = opcode === LONG_JUMP ? immediate : offset;
      if (distance < 0) from = Math.min(from, Math.max(0, at + 1 + distance));
    }
    if (at >= from) within[at] = 1;
  }
  return within;
}

/** All functions of an object. */
export class Functions {
  readonly #maps = new Map<string, MapSpec>();
  /** Functions of `.text` by their first instruction. */
  readonly #starts = new Map<number, CodeFunction>();
  readonly #programs = new Map<string, CodeFunction>();
  /** Functions and references followed so far, for all programs together. */
  #followed = 0;
  /** Whether the position of every function is known. */
  #placed = true;
  /** How many functions share a name. */
  readonly #names = new Map<string, number>();
  readonly #relocations = new Map<string, Relocation[]>();
  /** Instructions with CO-RE relocations of unknown result, by section. */
  readonly #core = new Map<string, number[]>();

  /** Indexes the functions and relocations of an object. */
  constructor(object: Plannable) {
    for (const map of object.maps) this.#maps.set(map.name, map);
    for (const relocation of object.relocations ?? []) {
      const others = this.#relocations.get(relocation.function);
      if (others === undefined) this.#relocations.set(relocation.function, [relocation]);
      else others.push(relocation);
    }
    for (const { section, records } of object.btfExt?.core ?? []) {
      const unknown = records.filter(({ kind }) => !LIKELY.has(kind));
      this.#core.set(section, unknown.map(({ offset }) => offset / 8).sort((a, b) => a - b));
    }
    for (const { name } of [...object.programs, ...object.subprograms ?? []]) {
      this.#names.set(name, (this.#names.get(name) ?? 0) + 1);
    }
    for (const { name, instructions, global = false, sectionOffset } of object.subprograms ?? []) {
      if (sectionOffset === undefined) {
        this.#placed = false;
        continue;
      }
      const start = sectionOffset / 8;
      const origin: Origin = { name, code: instructions, global, section: ".text", start };
      this.#starts.set(start, new CodeFunction(origin, this));
    }
  }

  /** Returns the main function of a program. */
  program({ name, instructions, section, sectionOffset }: ProgramSpec): CodeFunction {
    let known = this.#programs.get(name);
    if (known === undefined) {
      const start = sectionOffset / 8;
      const origin: Origin = { name, code: instructions, global: true, section, start };
      this.#programs.set(name, known = new CodeFunction(origin, this));
    }
    return known;
  }

  /**
   * Returns a program's function and those that it may call, each once.
   *
   * Returns undefined when they cannot be determined: a call has no known target, functions share a
   * name, bpf_throw() is called, whose exception callback no instruction refers to, or the limit of
   * followed functions is reached.
   */
  reachable(program: ProgramSpec): CodeFunction[] | undefined {
    const found = new Set([this.program(program)]);
    for (const one of found) {
      this.#followed += 1 + one.targets.size;
      if (this.#followed > MOST_FOLLOWED) return undefined;
      for (const target of one.targets.values()) {
        if (target.kind === "function") found.add(target.function);
        if (target.kind === "unknown") return undefined;
        if (target.kind === "kfunc" && target.name === "bpf_throw") return undefined;
      }
    }
    return this.#placed ? [...found] : undefined;
  }

  /** @internal */
  targets(one: CodeFunction, section: string, start: number): Map<number, InstructionTarget> {
    const found = new Map<number, InstructionTarget>();
    const { instructions } = one;
    // Relocations name their function: when two share the name, it is unclear whose they are.
    const certain = this.#names.get(one.name) === 1;
    const relocations = this.#relocations.get(one.name) ?? [];
    for (const relocation of relocations) {
      const { instruction: at, kind, target, offset = 0 } = relocation;
      const instruction = at === undefined ? undefined : instructions[at];
      if (at === undefined || instruction === undefined) continue;
      found.set(at, certain ? this.#target(instruction, kind, target, offset) : UNKNOWN);
    }
    for (const [at, { opcode, source, immediate }] of instructions.entries()) {
      if (opcode !== Opcode.call || source !== Pseudo.call || found.has(at)) continue;
      found.set(at, section === ".text" ? this.#function(start + at + immediate + 1) : UNKNOWN);
    }
    return found;
  }

  /** @internal */
  relocated(section: string, start: number, count: number): ReadonlySet<number> {
    const all = this.#core.get(section) ?? [];
    let first = 0;
    let end = all.length;
    while (first < end) {
      const middle = (first + end) >> 1;
      if ((all[middle] ?? 0) < start) first = middle + 1;
      else end = middle;
    }
    const inside = new Set<number>();
    for (let index = first; (all[index] ?? Infinity) < start + count; index++) {
      inside.add((all[index] ?? 0) - start);
    }
    return inside;
  }

  #target(
    { immediate }: Instruction,
    kind: string,
    target: string,
    offset: number,
  ): InstructionTarget {
    switch (kind) {
      case "map":
      case "data": {
        const map = this.#maps.get(target);
        if (map === undefined) return UNKNOWN;
        return kind === "map" ? { kind, map } : { kind, map, offset: offset + immediate };
      }
      case "extern":
        return { kind, name: target };
      case "extern-call":
        return { kind: "kfunc", name: target };
      case "call":
        return this.#function(Math.trunc(offset / 8) + immediate + 1);
      case "address":
        return this.#function(Math.trunc((offset + immediate) / 8));
      default:
        return UNKNOWN;
    }
  }

  #function(start: number): InstructionTarget {
    const found = this.#starts.get(start);
    return found === undefined ? UNKNOWN : { kind: "function", function: found };
  }
}
