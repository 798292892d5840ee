/**
 * Runs every pure layer on an object that may be damaged.
 *
 * @module
 */

import { CoreTargets } from "../../btf/core/mod.ts";
import { typeScriptTypes } from "../../btf/print/mod.ts";
import {
  Btf,
  BtfBuilder,
  BtfExt,
  cutBtf,
  printAllC,
  printTypeScript,
  toJson,
} from "../../btf/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { ElfFile } from "../../elf/mod.ts";
import {
  BTF_GENERATIONS,
  btfToLoad,
  eventTypes,
  ObjectSpec,
  printInstructions,
  relocate,
} from "../../object/mod.ts";
import { contextUse, plan, scanInstructions } from "../../plan/mod.ts";
import { objectTypes } from "../../cli/types.ts";
import {
  type Attempt,
  exerciseCodecs,
  exerciseCore,
  exerciseRelocations,
} from "./core_and_codecs.ts";
import type { Random } from "./random.ts";

/** Outcomes of the steps by name. Anything but a result or a skep error is rethrown. */
export class Outcomes {
  /** Number of results and of skep errors per step. */
  readonly steps: Map<string, { result: number; refused: number }> = new Map();
  /** Milliseconds per step, when measured. */
  readonly times: Map<string, number> = new Map();

  /** Adds the counts of another. */
  add(other: Outcomes): void {
    for (const [step, { result, refused }] of other.steps) {
      const sum = this.steps.get(step);
      if (sum === undefined) this.steps.set(step, { result, refused });
      else {
        sum.result += result;
        sum.refused += refused;
      }
    }
  }
}

/** Options of {@linkcode exercise}. */
export interface ExerciseOptions {
  /** Chooses a few types instead of all, and expensive steps occasionally. */
  readonly sample?: Random | undefined;
  /** Clock that measures each step, in milliseconds. */
  readonly clock?: (() => number) | undefined;
  /** Whether to run every expensive step once. */
  readonly everything?: boolean | undefined;
}

/** Number of types in a sample. */
const SAMPLE = 8;

/** Runs an object through every layer; each step runs regardless of the others' outcome. */
export function exercise(bytes: Uint8Array, options: ExerciseOptions = {}): Outcomes {
  const { sample, clock, everything = false } = options;
  const outcomes = new Outcomes();
  const attempt = <Result>(step: string, work: () => Result): Result | undefined => {
    let counts = outcomes.steps.get(step);
    if (counts === undefined) outcomes.steps.set(step, counts = { result: 0, refused: 0 });
    const start = clock?.() ?? 0;
    try {
      const result = work();
      counts.result++;
      return result;
    } catch (error) {
      if (!(error instanceof SkepError)) throw new Error(`${step}: ${error}`, { cause: error });
      counts.refused++;
      // Checks every error text in full runs, else only the first of each step.
      if (sample === undefined || counts.refused === 1) checkError(step, error);
      return undefined;
    } finally {
      if (clock !== undefined) {
        const time = clock() - start;
        outcomes.times.set(step, (outcomes.times.get(step) ?? 0) + time);
      }
    }
  };

  const elf = attempt("elf", () => ElfFile.parse(bytes, "fuzz.o"));
  attempt("elf of any machine", () => {
    const any = ElfFile.parse(bytes, { anyMachine: true });
    return [any.symbols.length, any.dynamicSymbols.length, any.segments.length];
  });
  for (const section of elf?.sections ?? []) {
    attempt("relocations", () => elf?.relocations(section));
  }
  const types = elf?.section(".BTF");
  const btf = types && attempt("btf", () => Btf.parse(types.data));
  if (btf !== undefined) exerciseTypes(btf, attempt, sample, everything);
  // Errors appear on use. For the kernel's types, which are large, without regard to time.
  if (
    types !== undefined && !everything &&
    (sample === undefined || btf === undefined || sample.below(8) === 0)
  ) {
    const trusted = attempt("trusted btf", () => Btf.parse(types.data, { trusted: true }));
    if (trusted !== undefined) exerciseTypes(trusted, attempt, sample, everything);
  }
  const ext = elf?.section(".BTF.ext");
  if (btf !== undefined && ext !== undefined) {
    attempt("btf.ext", () => {
      const { functions, lines, core } = BtfExt.parse(ext.data, btf);
      for (const section of functions) attempt("functions", () => section.records);
      for (const section of lines) {
        attempt("lines", () => section.records.map((line) => line.file + line.source));
      }
      for (const section of core) {
        const records = attempt("core records", () => section.records) ?? [];
        exerciseRelocations(btf, records, attempt, sample);
      }
    });
  }
  exerciseObject(bytes, attempt, sample, everything);
  return outcomes;
}

function checkError(step: string, error: SkepError): void {
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f-\x9f\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/u.test(error.message)) {
    throw new Error(`${step}: the message has what moves a terminal: ${JSON.stringify(error)}`);
  }
  if (JSON.stringify(error) === "") throw new Error(`${step}: the error has no JSON`);
}

/** Returns the ids to try: every n-th, or a sample; always the last, since types are appended. */
export function idsOf(btf: Btf, every: number, sample: Random | undefined): number[] {
  const ids: number[] = [];
  if (sample === undefined || btf.endId <= SAMPLE) {
    for (let id = 0; id < btf.endId; id += every) ids.push(id);
    return ids;
  }
  for (let turn = 0; turn < SAMPLE; turn += every) ids.push(sample.below(btf.endId));
  ids.push(btf.endId - 1);
  return ids;
}

function exerciseTypes(
  btf: Btf,
  attempt: Attempt,
  sample: Random | undefined,
  everything: boolean,
): void {
  const few = new Set(idsOf(btf, 4, sample));
  for (const id of idsOf(btf, 1, sample)) {
    attempt("type", () => btf.type(id));
    attempt("resolve", () => btf.resolve(id));
    attempt("size", () => btf.size(id));
    attempt("alignment", () => btf.alignment(id));
    const name = attempt("name", () => btf.nameOf(id));
    if (name !== undefined && id % 8 === 0) {
      attempt("candidates", () => btf.candidates(name, ["struct", "union", "enum", "typedef"]));
      attempt("find", () => btf.find(name, "struct"));
    }
  }
  for (const id of few) {
    attempt("json", () => toJson(btf, id));
    attempt("typescript", () => printTypeScript(btf, id));
  }
  if (sample === undefined || sample.below(4) === 0) {
    exerciseCore(btf, btf, idsOf(btf, 1, sample), attempt);
  }
  exerciseCodecs(btf, idsOf(btf, 3, sample), attempt);
  const turn = everything ? undefined : sample?.below(8);
  if (turn === undefined || turn === 0) attempt("c", () => printAllC(btf));
  if (turn === undefined || turn === 1) attempt("cut", () => cutBtf(btf, [btf.endId - 1]));
  if (turn === undefined || turn === 2) attempt("builder", () => BtfBuilder.from(btf).build());
  if (turn === undefined || turn === 3) {
    attempt("all typescript", () => typeScriptTypes(btf, Array(btf.endId).keys()));
  }
}

function exerciseObject(
  bytes: Uint8Array,
  attempt: Attempt,
  sample: Random | undefined,
  everything: boolean,
): void {
  const spec = attempt("object", () => ObjectSpec.parse(bytes, { name: "fuzz.o" }));
  if (spec === undefined) return;
  const turn = everything ? undefined : sample?.below(4);
  if (turn === undefined || turn === 0) attempt("object as JSON", () => JSON.stringify(spec));
  if (turn === undefined || turn === 1) {
    attempt("skep types", () => objectTypes(spec, "@skep/skep"));
  }
  if (turn === undefined || turn === 2) {
    for (const features of Object.values(BTF_GENERATIONS)) {
      attempt("btf to load", () => btfToLoad(spec, features));
    }
  }
  attempt("variables", () => [...spec.variables].length);
  attempt("event types", () => eventTypes(spec));
  const linked = attempt("link", () => {
    const core = spec.btf === undefined ? undefined : new CoreTargets(spec.btf);
    return relocate(spec, [...spec.programs], { core });
  });
  for (const one of linked?.programs ?? []) {
    if ("error" in one) {
      attempt("link one", () => {
        throw one.error;
      });
      continue;
    }
    attempt("scan", () => [scanInstructions(one.instructions), contextUse(one.instructions)]);
    if (turn === undefined || turn === 3) {
      attempt("disassemble", () => [...printInstructions(one.instructions)].length);
    }
  }
  attempt("plan", () => {
    for (const program of spec.programs) program.autoload = true;
    return [
      JSON.stringify(plan(spec, { kernelBtf: spec.btf })),
      JSON.stringify(plan(spec, { profile: "libbpf" })),
    ];
  });
}
