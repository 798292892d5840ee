/**
 * All that the pure layers do with an object, for an object that may be damaged.
 *
 * @module
 */

import { CoreTargets } from "../../btf/core/mod.ts";
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
import { ObjectSpec, relocate } from "../../object/mod.ts";
import { plan } from "../../plan/mod.ts";
import { type Attempt, exerciseCodecs, exerciseCore } from "./core_and_codecs.ts";

/** How one step ended, by name; everything but a result or one of our errors is thrown. */
export type Outcomes = Record<string, "result" | "refused">;

/** Takes an object through every layer; each step is tried whatever became of the others. */
export function exercise(bytes: Uint8Array): Outcomes {
  const outcomes: Outcomes = {};
  const attempt = <Result>(step: string, work: () => Result): Result | undefined => {
    try {
      const result = work();
      outcomes[step] = "result";
      return result;
    } catch (error) {
      if (!(error instanceof SkepError)) throw new Error(`${step}: ${error}`, { cause: error });
      if (/\n/.test(error.message) || JSON.stringify(error) === "") {
        throw new Error(`${step}: the message has more than one line`);
      }
      outcomes[step] = "refused";
      return undefined;
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
  const trusted = types && attempt("trusted btf", () => Btf.parse(types.data, { trusted: true }));
  for (const one of [btf, trusted]) if (one !== undefined) exerciseTypes(one, attempt);
  const ext = elf?.section(".BTF.ext");
  if (btf !== undefined && ext !== undefined) {
    attempt("btf.ext", () => {
      const { functions, lines, core } = BtfExt.parse(ext.data, btf);
      for (const section of functions) attempt("functions", () => section.records);
      for (const section of core) attempt("core", () => section.records);
      for (const section of lines) {
        attempt("lines", () => section.records.map((line) => line.file + line.source));
      }
    });
  }
  exerciseObject(bytes, attempt);
  return outcomes;
}

function exerciseTypes(btf: Btf, attempt: Attempt): void {
  for (let id = 0; id < btf.endId; id++) {
    attempt("type", () => btf.type(id));
    attempt("resolve", () => btf.resolve(id));
    attempt("size", () => btf.size(id));
    attempt("alignment", () => btf.alignment(id));
    const name = attempt("name", () => btf.nameOf(id));
    if (name !== undefined && id % 8 === 0) {
      attempt("candidates", () => btf.candidates(name, ["struct", "union", "enum", "typedef"]));
      attempt("find", () => btf.find(name, "struct"));
    }
    if (id % 4 === 0) {
      attempt("json", () => toJson(btf, id));
      attempt("typescript", () => printTypeScript(btf, id));
    }
  }
  exerciseCore(btf, btf, attempt);
  exerciseCodecs(btf, attempt);
  attempt("c", () => printAllC(btf));
  attempt("cut", () => cutBtf(btf, [btf.endId - 1]));
  attempt("builder", () => BtfBuilder.from(btf).build());
}

function exerciseObject(bytes: Uint8Array, attempt: Attempt): void {
  const spec = attempt("object", () => ObjectSpec.parse(bytes, { name: "fuzz.o" }));
  if (spec === undefined) return;
  attempt("object as JSON", () => JSON.stringify(spec));
  attempt("link", () => {
    const core = spec.btf === undefined ? undefined : new CoreTargets(spec.btf);
    return relocate(spec, [...spec.programs], { core });
  });
  attempt("plan", () => {
    for (const program of spec.programs) program.autoload = true;
    const kernelBtf = spec.btf === undefined ? {} : { kernelBtf: spec.btf };
    return [
      JSON.stringify(plan(spec, kernelBtf)),
      JSON.stringify(plan(spec, { profile: "libbpf" })),
      spec.programs.size,
    ];
  });
}
