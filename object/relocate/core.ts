/**
 * Applies CO-RE relocations to the code of functions.
 *
 * @module
 */

import { applyCore, type CoreDecision, CoreSession, type CoreTargets } from "../../btf/core/mod.ts";
import type { CoreRelocation } from "../../btf/ext.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { CodeUnit } from "../code/functions.ts";
import { RelocationError } from "../spec/error.ts";
import { INSTRUCTION_SIZE } from "../code/instruction.ts";
import { type ObjectSpec, parsedObject } from "../object_spec.ts";

/** Code of a function after CO-RE relocation. */
export interface RelocatedCode {
  /** The instructions. Must not be written. */
  readonly bytes: Uint8Array;
  /** Decision for each relocated instruction of the function. */
  readonly decisions: readonly { readonly instruction: number; readonly decision: CoreDecision }[];
}

/** Consecutive relocations of one function in `.BTF.ext`. */
interface CoreRun {
  readonly unit: CodeUnit;
  readonly relocations: CoreRelocation[];
}

/** Cached per object. */
const runsOf = new WeakMap<ObjectSpec, readonly CoreRun[]>();

/** Code of the functions in use, relocated in the order of `.BTF.ext`. */
export class CoreCode {
  /** All decisions, in order. */
  readonly decisions: CoreDecision[] = [];
  readonly #done = new Map<
    CodeUnit,
    { bytes: Uint8Array; decisions: { instruction: number; decision: CoreDecision }[] }
  >();
  readonly #errors = new Map<CodeUnit, SkepError>();

  /** Relocates the functions in `used`. An error of a function is kept, and thrown by {@linkcode of}. */
  constructor(spec: ObjectSpec, used: ReadonlySet<CodeUnit>, targets: CoreTargets | undefined) {
    let session: CoreSession | undefined;
    for (const { unit, relocations } of coreRuns(spec)) {
      if (!used.has(unit) || this.#errors.has(unit)) continue;
      if (targets === undefined || spec.btf === undefined) {
        this.#errors.set(unit, withoutTargets(unit));
        continue;
      }
      session ??= new CoreSession(spec.btf, targets);
      try {
        this.#relocate(unit, relocations, session);
      } catch (error) {
        if (!(error instanceof SkepError)) throw error;
        this.#errors.set(unit, error);
      }
    }
  }

  /**
   * Returns the code of a function.
   *
   * @throws {SkepError} the error with which the function could not be relocated.
   */
  of(unit: CodeUnit): RelocatedCode {
    const error = this.#errors.get(unit);
    if (error !== undefined) throw error;
    return this.#done.get(unit) ?? { bytes: unit.code, decisions: [] };
  }

  #relocate(unit: CodeUnit, relocations: readonly CoreRelocation[], session: CoreSession): void {
    let code = this.#done.get(unit);
    if (code === undefined) {
      this.#done.set(unit, code = { bytes: unit.code.slice(), decisions: [] });
    }
    for (const relocation of relocations) {
      const instruction = relocation.offset / INSTRUCTION_SIZE - unit.start;
      const decision = session.resolve(relocation);
      applyCore(code.bytes, instruction, decision);
      code.decisions.push({ instruction, decision });
      this.decisions.push(decision);
    }
  }
}

/** Returns the CO-RE relocations grouped by function, in the order of `.BTF.ext`. */
function coreRuns(spec: ObjectSpec): readonly CoreRun[] {
  let runs = runsOf.get(spec);
  if (runs === undefined) runsOf.set(spec, runs = findRuns(spec));
  return runs;
}

function findRuns(spec: ObjectSpec): CoreRun[] {
  const { units, sections: { elf } } = parsedObject(spec);
  const runs: CoreRun[] = [];
  for (const { section, records } of spec.btfExt?.core ?? []) {
    const index = elf.section(section)?.index;
    if (index === undefined) continue;
    let run: CoreRun | undefined;
    for (const relocation of records) {
      if (relocation.offset % INSTRUCTION_SIZE !== 0) {
        throw new RelocationError({
          doing: "link",
          subject: spec.name,
          errno: "EINVAL",
          why: `a CO-RE relocation is at byte ${relocation.offset} of ${section}, ` +
            "which is not the start of an instruction",
        });
      }
      const instruction = relocation.offset / INSTRUCTION_SIZE;
      if (
        run === undefined || run.unit.sectionIndex !== index || instruction < run.unit.start ||
        instruction >= run.unit.start + run.unit.count
      ) {
        const unit = units.at(index, instruction);
        // Code outside of all functions: a weak function that the linker replaced.
        if (unit === undefined) continue;
        run = { unit, relocations: [] };
        runs.push(run);
      }
      run.relocations.push(relocation);
    }
  }
  return runs;
}

function withoutTargets(unit: CodeUnit): RelocationError {
  return new RelocationError({
    doing: "link",
    subject: `function ${unit.name}`,
    errno: "ESRCH",
    why: "it has CO-RE relocations, and no kernel BTF is available",
    fix: "load on a kernel with CONFIG_DEBUG_INFO_BTF, or give a BTF file",
  });
}
