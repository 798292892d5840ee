/**
 * Every object of the corpus parses, or is refused with libbpf's errno, and has the same number and
 * types of programs and maps.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { AttachType, ProgramType } from "../../uapi/enums.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import { testWith } from "../support/needs.ts";

const CORPUS = new URL("../../../shared/corpus/", import.meta.url);

/** Reads the rows of a table as records by column. */
function readTable(name: string): { readonly [column: string]: string }[] {
  const [head = "", ...lines] = Deno.readTextFileSync(new URL(name, CORPUS)).trim().split("\n");
  const columns = head.split("\t");
  return lines.map((line) => {
    const cells = line.split("\t");
    return Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? ""]));
  });
}

function open(object: string): ObjectSpec | string {
  const bytes = Deno.readFileSync(new URL(`objs/${object}`, CORPUS));
  try {
    return ObjectSpec.parse(bytes, { name: object });
  } catch (error) {
    if (error instanceof SkepError) return error.errno ?? error.message;
    throw error;
  }
}

testWith("corpus", "parsing agrees with libbpf's open over the corpus", () => {
  const differences: string[] = [];
  const rows = readTable("baseline.tsv");
  for (const row of rows) {
    const spec = open(row["object"] as string);
    const expected = row["open_rc"] === "0"
      ? `${row["n_programs"] ?? row["n_progs"]} programs, ${row["n_maps"]} maps`
      : row["errno"];
    const actual = typeof spec === "string"
      ? spec
      : `${spec.programs.size} programs, ${spec.maps.size} maps`;
    if (actual !== expected) {
      differences.push(`${row["object"]}: ${actual}, libbpf: ${expected}`);
    }
  }
  assertEquals(differences, []);
  assertEquals(rows.length > 700, true);
});

testWith(
  "corpus",
  "program types, attach types and autoload agree with libbpf over the corpus",
  () => {
    const differences: string[] = [];
    const specs = new Map<string, ObjectSpec | string>();
    for (const row of readTable("baseline-progs.tsv")) {
      const object = row["object"] as string;
      if (!specs.has(object)) specs.set(object, open(object));
      const spec = specs.get(object);
      if (spec === undefined || typeof spec === "string") continue;
      // libbpf's run timed out on these programs.
      if (row["stage"] === "timeout") continue;
      const program = spec.programs.get(row["program"] as string);
      const attachType = program.expectedAttachType;
      const actual = [
        program.section,
        ProgramType[program.type],
        attachType === undefined ? 0 : AttachType[attachType],
        program.autoload ? 1 : 0,
      ].join(" ");
      // libbpf's table was read during load, when USDT programs are uprobe_multi, and struct_ops
      // programs have their member's index.
      const late = program.attach.kind === "usdt" || program.type === "struct_ops";
      const expected = [
        row["section"]?.replace(/^\?/, ""),
        row["prog_type"],
        late ? attachType === undefined ? 0 : AttachType[attachType] : row["expected_attach_type"],
        row["autoload"],
      ].join(" ");
      if (actual !== expected) {
        differences.push(`${object} ${program.name}: ${actual}, libbpf: ${expected}`);
      }
    }
    assertEquals(differences, []);
  },
);

testWith("corpus", "every object of the corpus is plain JSON, the same each time", () => {
  for (const row of readTable("baseline.tsv")) {
    const object = row["object"] as string;
    const spec = open(object);
    if (typeof spec === "string") continue;
    const again = open(object);
    assertEquals(JSON.stringify(spec), JSON.stringify(again));
  }
});
