/**
 * `skep inspect`: shows a compiled object. Loads nothing and needs no privileges.
 *
 * @module
 */

import { bold, dim } from "@std/fmt/colors";
import { printC, toJson } from "../btf/mod.ts";
import { eventTypes, type ObjectSpec, printInstructions, type ProgramSpec } from "../object/mod.ts";
import { openObject } from "../loader/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { stringify } from "./json.ts";
import { jsonOption, UsageError } from "./options.ts";
import { terminalText } from "../errors/escape.ts";
import { table } from "./table.ts";
import { typeName } from "./type_name.ts";
import { cell } from "./values.ts";

type Part = (spec: ObjectSpec, colour: boolean) => string;

const parts: { readonly [name: string]: Part } = {
  sections: sectionTable,
  programs: programTable,
  maps: mapTable,
  variables: variableTable,
  externs: externTable,
  types: typeText,
  relocations: relocationTable,
  instructions: instructionText,
};
const shownByDefault = ["programs", "maps", "variables", "externs"];

/** The `skep inspect` command. */
export const inspect: Command = {
  name: "inspect",
  summary: "Shows what is in a compiled object",
  usage: "FILE [options]",
  options: [
    {
      name: "show",
      short: "s",
      kind: "list",
      placeholder: "PART",
      help: `What to show: ${Object.keys(parts).join(", ")}, all (default: ${
        shownByDefault.join(", ")
      })`,
    },
    {
      name: "program",
      short: "p",
      kind: "value",
      placeholder: "NAME",
      help: "Show this program's instructions",
    },
    jsonOption,
  ],
  details: `The JSON output is the same on every machine. It has all parts, with
types and instructions only when --show lists them.

Examples:
  skep inspect execsnoop.bpf.o
  skep inspect execsnoop.bpf.o --show types
  skep inspect execsnoop.bpf.o --program handle_exec`,
  async run(parsed, io): Promise<number> {
    const [file, ...rest] = parsed.operands;
    if (file === undefined || rest.length > 0) {
      throw new UsageError("skep inspect", "exactly one file is needed", "write skep inspect FILE");
    }
    const program = parsed.value("program");
    const wanted = wantedParts(parsed.list("show"), program !== undefined);
    const spec = await openObject(file);
    const chosen = program === undefined ? undefined : spec.programs.get(program);
    if (parsed.has("json")) {
      io.out(`${stringify(inspectJson(spec, wanted, chosen), 2)}\n`);
      return exitStatus.ok;
    }
    io.out(headLine(spec, io.colour));
    for (const name of wanted) {
      const text = name === "instructions" && chosen !== undefined
        ? programText(spec, chosen, io.colour)
        : parts[name]?.(spec, io.colour) ?? "";
      if (text !== "") io.out(`\n${text}`);
    }
    return exitStatus.ok;
  },
};

function wantedParts(given: readonly string[], program: boolean): readonly string[] {
  const names = given.flatMap((text) => text.split(","));
  const unknown = names.find((name) => name !== "all" && !Object.hasOwn(parts, name));
  if (unknown !== undefined) {
    throw new UsageError(
      "skep inspect",
      `unknown part "${unknown}"`,
      `write one of ${Object.keys(parts).join(", ")}, all`,
    );
  }
  if (names.includes("all")) return Object.keys(parts);
  if (program) return [...new Set([...names, "instructions"])];
  return names.length > 0 ? names : shownByDefault;
}

function inspectJson(
  spec: ObjectSpec,
  wanted: readonly string[],
  chosen: ProgramSpec | undefined,
): unknown {
  const listed = chosen === undefined ? [...spec.programs] : [chosen];
  return {
    ...spec.toJSON(),
    core: coreRelocations(spec),
    types: wanted.includes("types") ? typeList(spec) : undefined,
    instructions: wanted.includes("instructions")
      ? Object.fromEntries(
        listed.map(({ name, instructions }) => [name, [...printInstructions(instructions)]]),
      )
      : undefined,
  };
}

function headLine(spec: ObjectSpec, colour: boolean): string {
  const facts = [
    spec.littleEndian ? "little-endian" : "big-endian",
    spec.license === "" ? "no license" : `license ${spec.license}`,
    spec.btf === undefined ? "no BTF" : `${spec.btf.endId - 1} types`,
    `${spec.btfExt?.core.reduce((sum, { count }) => sum + count, 0) ?? 0} CO-RE relocations`,
  ];
  const name = terminalText(spec.name);
  return `${colour ? bold(name) : name}: ${terminalText(facts.join(", "))}\n`;
}

function sectionTable(spec: ObjectSpec, colour: boolean): string {
  return table(
    [{ head: "SECTION" }, { head: "TYPE", align: "right" }, { head: "FLAGS" }, {
      head: "BYTES",
      align: "right",
    }],
    spec.sections.map(({ name, type, flags, size }) => [
      name,
      String(type),
      `0x${flags.toString(16)}`,
      String(size),
    ]),
    { colour },
  );
}

function programTable(spec: ObjectSpec, colour: boolean): string {
  if (spec.programs.size === 0) return "";
  return table(
    [{ head: "PROGRAM" }, { head: "SECTION" }, { head: "TYPE" }, { head: "ATTACH TYPE" }, {
      head: "INSNS",
      align: "right",
    }, { head: "AUTOLOAD" }],
    Array.from(spec.programs, (program) => [
      program.name,
      program.section,
      program.type,
      program.expectedAttachType ?? "",
      String(program.instructions.length / 8),
      program.autoload ? "yes" : "no",
    ]),
    { colour },
  );
}

function mapTable(spec: ObjectSpec, colour: boolean): string {
  if (spec.maps.size === 0) return "";
  const { btf } = spec;
  const events = eventTypes(spec);
  const name = (id: number): string =>
    btf === undefined || id === 0 || btf.kindName(id) === "datasec" ? "" : typeName(btf, id);
  return table(
    [
      { head: "MAP" },
      { head: "TYPE" },
      { head: "KEY", align: "right" },
      { head: "VALUE", align: "right" },
      { head: "ENTRIES", align: "right" },
      { head: "FLAGS" },
      { head: "TYPES" },
    ],
    Array.from(spec.maps, (map) => {
      const event = events.get(map.name);
      const types = event !== undefined
        ? `events: ${name(event)}`
        : [map.keyTypeId, map.valueTypeId].map(name).filter((text) => text !== "").join(" → ");
      return [
        map.name,
        String(map.type),
        String(map.keySize),
        String(map.valueSize),
        String(map.maxEntries),
        `0x${map.flags.toString(16)}`,
        types,
      ];
    }),
    { colour },
  );
}

function variableTable(spec: ObjectSpec, colour: boolean): string {
  if (spec.variables.size === 0) return "";
  const { btf } = spec;
  return table(
    [{ head: "VARIABLE" }, { head: "TYPE" }, { head: "IN" }, { head: "BYTES", align: "right" }, {
      head: "VALUE",
    }],
    Array.from(spec.variables, (variable) => {
      const typed = btf !== undefined && variable.typeId !== 0;
      const value = typed ? cell(variable.get()) : variable.bytes.toHex();
      return [
        variable.name,
        typed ? typeName(btf, variable.typeId) : "",
        variable.map.name,
        String(variable.size),
        // Truncated in the table; the JSON output is complete.
        value.length > 60 ? `${value.slice(0, 57)}…` : value,
      ];
    }),
    { colour },
  );
}

function externTable(spec: ObjectSpec, colour: boolean): string {
  if (spec.externs.length === 0) return "";
  return table(
    [{ head: "EXTERN" }, { head: "KIND" }, { head: "WEAK" }],
    spec.externs.map(({ name, kind, weak }) => [name, kind, weak ? "yes" : "no"]),
    { colour },
  );
}

function relocationTable(spec: ObjectSpec, colour: boolean): string {
  const code = spec.relocations.map(({ function: name, instruction, kind, target, offset }) => [
    name,
    String(instruction),
    kind,
    target,
    offset === 0 ? "" : `+${offset}`,
  ]);
  const core = coreRelocations(spec).map(({ section, instruction, kind, typeName, access }) => [
    section,
    String(instruction),
    kind,
    typeName,
    access,
  ]);
  if (code.length + core.length === 0) return "";
  return table(
    [{ head: "IN" }, { head: "INSN", align: "right" }, { head: "KIND" }, { head: "TARGET" }, {
      head: "AT",
    }],
    [...code, ...core],
    { colour },
  );
}

interface CoreEntry {
  readonly section: string;
  readonly instruction: number;
  readonly kind: string;
  readonly type: number;
  readonly typeName: string;
  readonly access: string;
}

/** Returns CO-RE relocations by section; those of subprograms are in .text. */
function coreRelocations(spec: ObjectSpec): readonly CoreEntry[] {
  return (spec.btfExt?.core ?? []).flatMap(({ section, records }) =>
    records.map(({ offset, typeId, access, kind }) => ({
      section,
      instruction: offset / 8,
      kind,
      type: typeId,
      typeName: spec.btf === undefined ? "" : typeName(spec.btf, typeId),
      access,
    }))
  );
}

function typeText(spec: ObjectSpec): string {
  const { btf } = spec;
  if (btf === undefined) return "";
  const ids: number[] = [];
  for (let id = 1; id < btf.endId; id++) {
    const kind = btf.kindName(id);
    const named = kind === "struct" || kind === "union" || kind === "enum" || kind === "enum64";
    if (named && btf.nameOf(id) !== "") ids.push(id);
  }
  return ids.length === 0 ? "" : printC(btf, ids);
}

/** Returns every type with its id, by which maps and variables refer to it. */
function typeList(spec: ObjectSpec): unknown {
  const { btf } = spec;
  if (btf === undefined) return [];
  return Array.from({ length: btf.endId - 1 }, (_, index) => toJson(btf, index + 1));
}

function instructionText(spec: ObjectSpec, colour: boolean): string {
  return Array.from(spec.programs, (program) => programText(spec, program, colour)).join("\n");
}

/** Formats the instructions of one program, each after its source line. */
function programText(spec: ObjectSpec, program: ProgramSpec, colour: boolean): string {
  const section = spec.btfExt?.lines.find(({ section }) => section === program.section);
  const lines = new Map(
    section?.records.map((record) => [record.offset, `${record.line}: ${record.source.trim()}`]),
  );
  const head = `${program.name} (${program.section}):`;
  const text = [colour ? bold(terminalText(head)) : terminalText(head)];
  let last: string | undefined;
  for (const line of printInstructions(program.instructions)) {
    const index = Number(/^\s*(\d+)/.exec(line)?.[1] ?? Number.NaN);
    const source = lines.get(program.sectionOffset + index * 8);
    // A line of C has one record per column.
    if (source !== undefined && source !== last) {
      last = source;
      const comment = terminalText(`; ${source}`);
      text.push(colour ? dim(comment) : comment);
    }
    text.push(terminalText(line));
  }
  return `${text.join("\n")}\n`;
}
