/**
 * Finds what the instructions of programs need: helpers, kernel functions, and CAP_PERFMON.
 *
 * @module
 */

import { Helper, type ProgramTypeName } from "../uapi/enums.ts";
import type { ProgramSpec } from "../object/spec/spec.ts";
import type { PlanBuilder } from "./builder.ts";
import { Functions } from "./functions.ts";
import type { PlanNote } from "./notes.ts";
import { MOST_STEPS, perfmonUse } from "./perfmon_use.ts";
import type { Effort, ObjectFacts } from "./perfmon_site.ts";
import type { Plannable } from "./plannable.ts";
import { programTypeFacts } from "./program_types.ts";
import { helperCapability, helperText, scanInstructions } from "./scan.ts";

/** Adds what the code of programs needs. Fills `helpers` with each called helper and its caller. */
export function addCode(
  builder: PlanBuilder,
  object: Plannable,
  programs: readonly ProgramSpec[],
  helpers: Map<number, string>,
  notes: PlanNote[],
): void {
  const functions = new Functions(object);
  const facts: ObjectFacts = {
    btf: object.btf,
    externs: new Map([...object.externs ?? []].map((extern) => [extern.name, extern])),
  };
  const effort: Effort = { steps: MOST_STEPS };
  const called = new Calls(builder, helpers);
  let unclear = false;
  for (const program of programs) {
    const main = functions.program(program);
    const reachable = functions.reachable(program);
    if (reachable === undefined) unclear = true;
    for (const one of reachable ?? [main]) {
      called.add(`${one === main ? "program" : "function"} ${one.name}`, one, program.type);
    }
    if (program.type === "unspec") continue;
    // Program types that always need CAP_PERFMON add it themselves.
    if (programTypeFacts(program.type).capabilities.includes("perfmon")) continue;
    for (const use of perfmonUse(program, functions, facts, effort)) {
      const because = `${
        subject(program, use.function)
      } ${use.text} (instruction ${use.instruction})`;
      if (use.certain) builder.need("perfmon", because);
      else builder.mayNeed("perfmon", because);
    }
  }
  if (unclear) {
    for (const { name, instructions } of object.subprograms ?? []) {
      called.add(`function ${name}`, { code: instructions }, undefined);
    }
  }
  if (helpers.has(Helper.probe_write_user)) {
    notes.push({
      level: "warning",
      text:
        "probe_write_user writes the memory of any process; kernel lockdown forbids it regardless of the delegation",
    });
  }
}

/** Adds the helpers that functions call, each function once per program type. */
class Calls {
  readonly #builder: PlanBuilder;
  readonly #helpers: Map<number, string>;
  readonly #scanned = new Map<{ readonly code: Uint8Array }, readonly number[]>();
  readonly #seen = new Map<ProgramTypeName | undefined, Set<{ readonly code: Uint8Array }>>();

  constructor(builder: PlanBuilder, helpers: Map<number, string>) {
    this.#builder = builder;
    this.#helpers = helpers;
  }

  add(
    name: string,
    one: { readonly code: Uint8Array },
    type: ProgramTypeName | undefined,
  ): void {
    let seen = this.#seen.get(type);
    if (seen === undefined) this.#seen.set(type, seen = new Set());
    if (seen.has(one)) return;
    seen.add(one);
    let scanned = this.#scanned.get(one);
    if (scanned === undefined) {
      this.#scanned.set(one, scanned = scanInstructions(one.code).helpers);
    }
    for (const helper of scanned) {
      if (!this.#helpers.has(helper)) this.#helpers.set(helper, name);
      const capability = helperCapability(helper, type);
      if (capability === undefined) continue;
      this.#builder.need(capability, `${name} calls ${helperText(helper)}`);
    }
  }
}

function subject(program: ProgramSpec, name: string): string {
  return name === program.name ? `program ${name}` : `function ${name} of program ${program.name}`;
}
