/**
 * Relocates a program: joins it with the subprograms that it calls, and applies or lists their relocations.
 *
 * The result equals libbpf's, instruction for instruction, so that the kernel computes the same program tag:
 * CO-RE first; then subprograms are appended in the order of their first calls, depth first; then data and
 * externs.
 *
 * @module
 */

import type { CoreDecision, CoreTargets } from "../../btf/core/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { type CallSite, callSites, exceptionCallback } from "./call_graph.ts";
import type { CodeUnit, Relocation } from "../code/functions.ts";
import { RelocationError } from "../spec/error.ts";
import {
  immediateOf,
  INSTRUCTION_SIZE,
  Pseudo,
  setImmediate,
  setOffset,
  setSource,
} from "../code/instruction.ts";
import { CoreCode } from "./core.ts";
import { linkInfo, type Placed } from "./func_info.ts";
import { type ObjectSpec, parsedObject } from "../object_spec.ts";
import { originTraits } from "../spec/map_traits.ts";
import { poisonMap } from "../code/poison.ts";
import type { ProgramSpec, Reference, RelocatedProgram } from "../spec/spec.ts";

/** Options of {@linkcode relocate}. */
export interface RelocateOptions {
  /** Kernel BTF for CO-RE relocations. Without it, programs that have any fail with ESRCH. */
  readonly core?: CoreTargets | undefined;
  /** Offset of the object's globals in the arena, in bytes. @default {0} */
  readonly arenaOffset?: number | undefined;
}

/** A program that could not be relocated. */
export interface RelocateFailure {
  /** The program. */
  readonly program: ProgramSpec;
  /** Why it could not be relocated. */
  readonly error: SkepError;
}

/** Result of {@linkcode relocate}. */
export interface RelocateResult {
  /** One entry per program, in the order given. */
  readonly programs: readonly (RelocatedProgram | RelocateFailure)[];
  /** Decisions of all CO-RE relocations in use, in the object's order. */
  readonly decisions: readonly CoreDecision[];
}

/**
 * Relocates programs. A program that fails is returned with its error, and does not affect the others.
 *
 * The specs are not modified, so an object can be relocated repeatedly.
 */
export function relocate(
  spec: ObjectSpec,
  programs: readonly ProgramSpec[],
  options: RelocateOptions = {},
): RelocateResult {
  const relocator = new Relocator(spec, programs, options);
  return {
    programs: programs.map((program) => {
      try {
        return relocator.relocate(program);
      } catch (error) {
        if (error instanceof SkepError) return { program, error };
        throw error;
      }
    }),
    decisions: relocator.decisions,
  };
}

/** Limit of instructions per program: BPF_COMPLEXITY_LIMIT_INSNS, the verifier's limit. */
const MOST_INSTRUCTIONS = 1_000_000;
/**
 * Limit of instructions and records of all programs of an object together, after relocation: a base, plus
 * some per instruction of the object. Each program gets copies of the subprograms that it calls: without a
 * limit, a small object with many programs and one large subprogram would exhaust memory.
 */
const MOST_TOGETHER = { any: 2 * MOST_INSTRUCTIONS, each: 64 } as const;

class Relocator {
  readonly #spec: ObjectSpec;
  readonly #options: RelocateOptions;
  readonly #core: CoreCode;
  /** Programs past the limit. */
  readonly #tooMany = new Set<ProgramSpec>();
  readonly #mostTogether: number;
  #together = 0;

  constructor(spec: ObjectSpec, programs: readonly ProgramSpec[], options: RelocateOptions) {
    this.#spec = spec;
    this.#options = options;
    const used = new Set<CodeUnit>();
    let own = 0;
    for (const unit of parsedObject(spec).units.all) own += unit.count;
    this.#mostTogether = MOST_TOGETHER.any + MOST_TOGETHER.each * own;
    let together = 0;
    for (const program of programs) {
      if (together > this.#mostTogether) {
        this.#tooMany.add(program);
        continue;
      }
      try {
        for (const { unit } of this.#place(program)) {
          used.add(unit);
          together += unit.count;
        }
      } catch (error) {
        // The same error is thrown again, and returned, when the program itself is relocated.
        if (!(error instanceof SkepError)) throw error;
      }
    }
    this.#core = new CoreCode(spec, used, options.core);
  }

  get decisions(): readonly CoreDecision[] {
    return this.#core.decisions;
  }

  relocate(program: ProgramSpec): RelocatedProgram {
    if (this.#tooMany.has(program) || this.#together > this.#mostTogether) {
      throw new RelocationError({
        doing: "link",
        subject: `program ${program.name}`,
        errno: "E2BIG",
        why:
          `the programs before it have more than ${this.#mostTogether} instructions and records ` +
          "in total, including copies of subprograms",
        fix: "split the programs into several objects",
      });
    }
    const placed = this.#place(program);
    const last = placed[placed.length - 1] as Placed;
    const code = new Uint8Array((last.start + last.unit.count) * INSTRUCTION_SIZE);
    const starts = new Map<CodeUnit, number>();
    const core: RelocatedProgram["core"][number][] = [];
    for (const { unit, start } of placed) {
      const { bytes, decisions } = this.#core.of(unit);
      code.set(bytes, start * INSTRUCTION_SIZE);
      starts.set(unit, start);
      for (const { instruction, decision } of decisions) {
        core.push({ instruction: start + instruction, decision });
      }
    }
    const references: Reference[] = [];
    let targets = 0;
    for (const { unit, start } of placed) {
      for (const site of this.#sites(unit)) {
        const at = start + site.instruction;
        if (site.address) setSource(code, at, Pseudo.func);
        setImmediate(code, at, this.#startOf(starts, site.target) - at - 1);
      }
      for (const relocation of unit.relocations) {
        const reference = this.#apply(code, start, unit, relocation, starts);
        if (reference === undefined) continue;
        references.push(reference);
        if (reference.kind !== "jumptable") continue;
        targets += reference.targets.length;
        // A valid table has at most one entry per instruction.
        if (targets > MOST_INSTRUCTIONS) throw tooManyTargets(unit);
      }
    }
    const info = linkInfo(this.#spec, placed);
    this.#together += code.length / INSTRUCTION_SIZE + core.length + references.length + targets +
      recordsIn(info.funcInfo) + recordsIn(info.lineInfo);
    return {
      program,
      instructions: code,
      references,
      ...info,
      subprograms: placed.slice(1).map(({ unit, start }) => ({
        name: unit.name,
        instruction: start,
      })),
      core,
    };
  }

  /** Places the functions: the program, then each subprogram in the order of the first calls. */
  #place(program: ProgramSpec): Placed[] {
    const main = parsedObject(this.#spec).unitOf.get(program);
    if (main === undefined) {
      throw new RelocationError({
        doing: "link",
        subject: `program ${program.name}`,
        errno: "EINVAL",
        why: `it does not belong to ${this.#spec.name}`,
      });
    }
    const placed: Placed[] = [{ unit: main, start: 0 }];
    const seen = new Set<CodeUnit>();
    let end = main.count;
    const append = (unit: CodeUnit): void => {
      seen.add(unit);
      placed.push({ unit, start: end });
      end += unit.count;
      if (end > MOST_INSTRUCTIONS) {
        throw new RelocationError({
          doing: "link",
          subject: `program ${program.name}`,
          errno: "E2BIG",
          why: `with its subprograms it has more than ${MOST_INSTRUCTIONS} instructions`,
        });
      }
    };
    // Without recursion, because a malformed object may have call chains of any length.
    const visit = (first: CodeUnit): void => {
      const stack = [{ sites: this.#sites(first), next: 0 }];
      let frame;
      while ((frame = stack[stack.length - 1]) !== undefined) {
        const site = frame.sites[frame.next++];
        if (site === undefined) {
          stack.pop();
        } else if (!seen.has(site.target)) {
          append(site.target);
          stack.push({ sites: this.#sites(site.target), next: 0 });
        }
      }
    };
    visit(main);
    const callback = exceptionCallback(this.#spec, main);
    if (callback !== undefined && !seen.has(callback)) {
      append(callback);
      visit(callback);
    }
    return placed;
  }

  #sites(unit: CodeUnit): readonly CallSite[] {
    return callSites(this.#spec, unit);
  }

  /** Applies a relocation as far as possible, and returns the reference that remains for the load. */
  #apply(
    code: Uint8Array<ArrayBuffer>,
    start: number,
    unit: CodeUnit,
    relocation: Relocation,
    starts: ReadonlyMap<CodeUnit, number>,
  ): Reference | undefined {
    const instruction = start + relocation.instruction;
    const { maps, externs } = parsedObject(this.#spec);
    switch (relocation.kind) {
      case "call":
      case "address":
        return undefined;
      case "map":
      case "data": {
        const map = maps[relocation.target];
        if (map === undefined) return undefined;
        if (!map.autocreate) {
          poisonMap(code, instruction, map.index);
          return undefined;
        }
        if (relocation.kind === "map") {
          setSource(code, instruction, Pseudo.mapFd);
          return { kind: "map", instruction, map: map.name };
        }
        const shift = originTraits[map.origin].contents === "arena-globals"
          ? this.#options.arenaOffset ?? 0
          : 0;
        const offset = immediateOf(code, instruction) + relocation.offset + shift;
        return mapValue(code, instruction, map.name, offset);
      }
      case "extern": {
        const extern = externs.list[relocation.target];
        if (extern === undefined) return undefined;
        if (extern.kind === "kconfig") {
          return mapValue(code, instruction, ".kconfig", extern.offset);
        }
        return { kind: "ksym", instruction, extern: extern.name };
      }
      case "extern-call": {
        const extern = externs.list[relocation.target];
        if (extern === undefined) return undefined;
        setSource(code, instruction, Pseudo.kfuncCall);
        return { kind: "kfunc", instruction, extern: extern.name };
      }
      case "jumptable":
        setSource(code, instruction, Pseudo.mapValue);
        setOffset(code, instruction, 0);
        return {
          kind: "jumptable",
          instruction,
          symbolOffset: relocation.offset,
          size: relocation.size,
          targets: this.#jumpTargets(unit, relocation, this.#startOf(starts, unit)),
        };
    }
  }

  /** Returns the first instruction of a placed function. */
  #startOf(starts: ReadonlyMap<CodeUnit, number>, unit: CodeUnit): number {
    const start = starts.get(unit);
    if (start === undefined) throw new TypeError(`function ${unit.name} was not placed`);
    return start;
  }

  /** Returns the targets of a jump table, as instruction indices in the relocated program. */
  #jumpTargets(unit: CodeUnit, { offset, size }: Relocation, start: number): number[] {
    const { elf, jumpTables } = parsedObject(this.#spec).sections;
    const data = jumpTables?.data ?? new Uint8Array(0);
    if (size === 0 || size % 8 !== 0 || offset + size > data.length) {
      throw new RelocationError({
        doing: "link",
        subject: `function ${unit.name}`,
        errno: "EINVAL",
        why: `its jump table extends from byte ${offset} to ${offset + size} of .jumptables, ` +
          `which has ${data.length}`,
      });
    }
    const view = new DataView(data.buffer, data.byteOffset + offset, size);
    return Array.from({ length: size / 8 }, (_, index) => {
      const target = Number(view.getBigUint64(index * 8, elf.littleEndian)) / INSTRUCTION_SIZE;
      const within = Math.floor(target) - unit.start;
      if (within >= 0 && within < unit.count) return start + within;
      throw new RelocationError({
        doing: "link",
        subject: `function ${unit.name}`,
        errno: "EINVAL",
        why: `element ${index} of its jump table leads out of the function`,
      });
    });
  }
}

function tooManyTargets(unit: CodeUnit): RelocationError {
  return new RelocationError({
    doing: "link",
    subject: `function ${unit.name}`,
    errno: "E2BIG",
    why: `its jump tables have more than ${MOST_INSTRUCTIONS} entries`,
  });
}

function recordsIn(info: RelocatedProgram["funcInfo"]): number {
  return info === undefined || info.recordSize === 0 ? 0 : info.records.length / info.recordSize;
}

function mapValue(
  code: Uint8Array<ArrayBuffer>,
  instruction: number,
  map: string,
  offset: number,
): Reference {
  setSource(code, instruction, Pseudo.mapValue);
  setImmediate(code, instruction, 0);
  setImmediate(code, instruction + 1, offset);
  return { kind: "map-value", instruction, map, offset };
}
