/**
 * What the instructions of programs need: helpers and kernel functions that they call, and what the verifier
 * allows only to holders of CAP_PERFMON.
 *
 * @module
 */

import { Helper } from "../uapi/enums.ts";
import type { ProgramSpec } from "../object/spec/spec.ts";
import type { PlanBuilder } from "./builder.ts";
import { Functions } from "./functions.ts";
import type { PlanNote } from "./notes.ts";
import { perfmonUse } from "./perfmon_use.ts";
import type { ObjectFacts } from "./perfmon_site.ts";
import type { Plannable } from "./plannable.ts";
import { programTypeFacts } from "./program_types.ts";
import { helperCapability, helperText, scanInstructions } from "./scan.ts";

/** Adds what the code of programs needs; `helpers` becomes the helpers called, with by whom. */
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
  for (const program of programs) {
    addHelpers(builder, object, functions, program, helpers);
    if (program.type === "unspec") continue;
    // A type that needs it anyway says so itself.
    if (programTypeFacts(program.type).capabilities.includes("perfmon")) continue;
    for (const use of perfmonUse(program, functions, facts)) {
      const because = `${
        subject(program, use.function)
      } ${use.text} (instruction ${use.instruction})`;
      if (use.certain) builder.need("perfmon", because);
      else builder.mayNeed("perfmon", because);
    }
  }
  if (helpers.has(Helper.probe_write_user)) {
    notes.push({
      level: "warning",
      text:
        "probe_write_user writes the memory of any process; kernel lockdown forbids it whatever is delegated",
    });
  }
}

function addHelpers(
  builder: PlanBuilder,
  object: Plannable,
  functions: Functions,
  program: ProgramSpec,
  helpers: Map<number, string>,
): void {
  for (const { name, code } of codesOf(object, functions, program)) {
    for (const helper of scanInstructions(code).helpers) {
      if (!helpers.has(helper)) helpers.set(helper, name);
      const capability = helperCapability(helper, program.type);
      if (capability !== undefined) builder.need(capability, `${name} calls ${helperText(helper)}`);
    }
  }
}

interface NamedCode {
  readonly name: string;
  readonly code: Uint8Array;
}

/** The functions that a program is made of: all of the object where it is not clear which it calls. */
function codesOf(object: Plannable, functions: Functions, program: ProgramSpec): NamedCode[] {
  const main = functions.program(program);
  const reachable = functions.reachable(program);
  const others = reachable === undefined
    ? [...object.subprograms ?? []].map(({ name, instructions }) => ({ name, code: instructions }))
    : reachable.filter((one) => one !== main);
  return [
    { name: `program ${program.name}`, code: program.instructions },
    ...others.map(({ name, code }) => ({ name: `function ${name}`, code })),
  ];
}

function subject(program: ProgramSpec, name: string): string {
  return name === program.name ? `program ${name}` : `function ${name} of program ${program.name}`;
}
