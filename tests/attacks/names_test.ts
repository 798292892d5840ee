// Names from hostile files, in every output: TypeScript, C, JSON, tables, errors. No code runs, no declaration
// appears that was not there, and nothing that a terminal or an editor obeys gets through.

import { assert, assertEquals } from "@std/assert";
import { skep } from "../support/memory_io.ts";
import { runDeno } from "./support/child.ts";
import { type Place, renamed } from "./support/hostile_object.ts";
import {
  CODE,
  declarations,
  everyCharacter,
  MARKER,
  obeyed,
  PAYLOADS,
} from "./support/hostile_text.ts";

const root = new URL("../../", import.meta.url);

/** Objects that together contain every BTF kind. */
const OBJECTS = ["examples/execsnoop/execsnoop.bpf.o", "tests/fixtures/kinds.bpf.o"];

const EVERYWHERE: readonly Place[] = [
  "int",
  "struct",
  "member",
  "enum",
  "enumerator",
  "typedef",
  "function",
  "parameter",
  "variable",
];

/** Commands that print names of a file, with their output formats. */
const OUTPUTS: readonly { readonly as: string; readonly args: (path: string) => string[] }[] = [
  { as: "ts", args: (path) => ["types", path] },
  { as: "ts", args: (path) => ["btf", "dump", "file", path, "--format", "typescript"] },
  { as: "c", args: (path) => ["btf", "dump", "file", path, "--format", "c"] },
  { as: "text", args: (path) => ["btf", "dump", "file", path] },
  { as: "text", args: (path) => ["inspect", path] },
  { as: "json", args: (path) => ["inspect", path, "--json"] },
  { as: "text", args: (path) => ["plan", path] },
  { as: "json", args: (path) => ["plan", path, "--json"] },
];

interface Hostile {
  /** Place of the text in the object. */
  readonly where: string;
  readonly text: string;
  readonly path: string;
}

/** Prints an object by every command and keeps the outputs that must compile. */
async function outputs(
  folder: string,
  { where, text, path }: Hostile,
  good: ReadonlyMap<string, string>,
  only: RegExp = /./,
): Promise<string[]> {
  const wrong: string[] = [];
  const shown = `${JSON.stringify(text)} as ${where}`;
  for (const [index, { as, args }] of OUTPUTS.entries()) {
    if (!only.test(as)) continue;
    const { status, out, error } = await skep(args(path));
    const command = args("FILE").join(" ");
    for (const [stream, output] of [["output", out], ["error", error]] as const) {
      const raw = obeyed(output);
      if (raw !== undefined) wrong.push(`${shown}: ${command} lets ${raw} into its ${stream}`);
    }
    if (status !== 0) {
      if (error.trim().split("\n").length > 6) wrong.push(`${shown}: ${command} has a long error`);
      continue;
    }
    if (as === "json") {
      try {
        JSON.parse(out);
      } catch (cause) {
        wrong.push(`${shown}: ${command} prints no JSON (${cause})`);
      }
    } else if (as === "text") {
      const lines = good.get(`${index}`);
      if (lines !== undefined && `${out.split("\n").length}` !== lines) {
        wrong.push(`${shown}: ${command} prints ${out.split("\n").length} lines, not ${lines}`);
      }
    } else {
      const expected = good.get(`${index}`);
      const found = declarations(out);
      if (expected !== undefined && found !== expected) {
        wrong.push(`${shown}: ${command} declares ${found}, not ${expected}`);
      }
      // Most names occur in few outputs, so identical outputs are compiled once.
      const kind = as === "c" ? "h" : "ts";
      if (printed.has(out)) continue;
      printed.add(out);
      await Deno.writeTextFile(`${folder}/${printed.size}.${kind}`, out);
    }
  }
  return wrong;
}

/** Outputs of this test. */
const printed = new Set<string>();

/** Declarations and lines that the commands print for an object with harmless names. */
async function shapes(path: string): Promise<Map<string, string>> {
  const shape = new Map<string, string>();
  for (const [index, { as, args }] of OUTPUTS.entries()) {
    const { status, out, error } = await skep(args(path));
    assertEquals(status, 0, error);
    if (as === "text") shape.set(`${index}`, `${out.split("\n").length}`);
    else if (as !== "json") shape.set(`${index}`, declarations(out));
  }
  return shape;
}

/** Checks and runs the TypeScript outputs, and compiles the C outputs. */
async function compile(folder: string): Promise<string[]> {
  const wrong: string[] = [];
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const modules = names.filter((name) => /^\d+\.ts$/.test(name));
  assert(modules.length > 0, "nothing was printed as TypeScript");
  const config = new URL("deno.json", root).pathname;
  await Deno.writeTextFile(
    `${folder}/all.ts`,
    modules.map((name) => `try { await import("./${name}"); } catch { /* no module */ }\n`).join(
      "",
    ),
  );
  const ran = await runDeno(["run", "-A", "--no-check", "--config", config, "all.ts"], {
    cwd: folder,
  });
  assertEquals(ran.code, 0, ran.error);
  assertEquals(
    names.includes(MARKER) || exists(`${folder}/${MARKER}`),
    false,
    "code of a name ran",
  );
  await Deno.remove(`${folder}/all.ts`);
  const checked = await runDeno(["check", "-q", "--config", config, ...modules], {
    cwd: folder,
    timeout: 120_000,
  });
  if (checked.code !== 0) wrong.push(`deno check: ${checked.error.slice(0, 1000)}`);

  const headers = names.filter((name) => name.endsWith(".h"));
  const clang = await findClang();
  if (clang === undefined) {
    console.log("      C is not compiled: there is no clang here");
    return wrong;
  }
  // Trigraphs are enabled because they can end a comment.
  const standard = ["-std=c17", "-trigraphs", "-x", "c"];
  for (let at = 0; at < headers.length; at += BATCH) {
    const part = headers.slice(at, at + BATCH);
    const checks = ["-fsyntax-only", "-w", "-ferror-limit=3", ...standard, ...part];
    const { code, error } = await run(clang, checks, folder);
    if (code !== 0) wrong.push(`clang: ${error.slice(0, 1000)}`);
  }
  // Preprocesses without comments and with macros, which leaves the declarations.
  const suspects = headers.filter((name) =>
    Deno.readTextFileSync(`${folder}/${name}`).includes("INJECTED")
  );
  if (suspects.length > 0) {
    const { out } = await run(
      clang,
      ["-E", "-P", "-dD", "-undef", ...standard, ...suspects],
      folder,
    );
    const declared = /^.*\bINJECTED\b.*$/m.exec(out);
    if (declared !== null) wrong.push(`C declares what stood in a name: ${declared[0]}`);
  }
  return wrong;
}

/** Number of files per clang process. */
const BATCH = 128;

async function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<{ code: number; out: string; error: string }> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd })
    .output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

async function findClang(): Promise<string | undefined> {
  for (const name of ["clang", "clang-19", "clang-14"]) {
    try {
      await new Deno.Command(name, { args: ["--version"], stdout: "null" }).output();
      return name;
    } catch {
      // The next.
    }
  }
  return undefined;
}

/** Runs attacks on each object in a temporary folder. */
async function attack(
  texts: readonly string[],
  places: readonly (readonly Place[])[],
  only?: RegExp,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  printed.clear();
  try {
    const wrong: string[] = [];
    for (const path of OBJECTS) {
      const object = await Deno.readFile(new URL(path, root));
      for (const where of places) {
        const at = `${folder}/object.o`;
        const rename = (text: string) => (place: Place, name: string): string | undefined =>
          where.includes(place) ? name + text : undefined;
        await Deno.writeFile(at, renamed(object, rename("_good")));
        const good = await shapes(at);
        for (const text of texts) {
          await Deno.writeFile(at, renamed(object, rename(text)));
          const named = where.length > 1 ? "everything" : where[0] ?? "";
          wrong.push(...await outputs(folder, { where: named, text, path: at }, good, only));
        }
      }
    }
    assertEquals([...await compile(folder), ...wrong].slice(0, 20), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("attack: an escape from a comment, string or line in all names runs no code", async () => {
  await attack(PAYLOADS, [EVERYWHERE]);
});

Deno.test("attack: an escape from a comment, string or line in any one name runs no code", async () => {
  // Interactions between the escaping of two names are visible in code outputs only.
  await attack(PAYLOADS.slice(0, CODE), EVERYWHERE.map((place) => [place]), /^(ts|c)$/);
});

Deno.test("attack: no character in any name leaves its place in the output", async () => {
  await attack(everyCharacter().map((character) => `${character}x`), [EVERYWHERE]);
});

Deno.test("attack: the name of the file runs no code", async () => {
  const folder = await Deno.makeTempDir();
  printed.clear();
  try {
    const wrong: string[] = [];
    const object = await Deno.readFile(new URL(OBJECTS[0] ?? "", root));
    await Deno.writeFile(`${folder}/good.o`, object);
    const good = await shapes(`${folder}/good.o`);
    const texts = [
      ...PAYLOADS,
      ...everyCharacter().map((character) => `x${character}x`),
    ].filter((text) => text !== "" && text.length < 200);
    for (const text of texts) {
      // A slash in the name separates folders of the path.
      const path = `${folder}/names/${text}/${text.replaceAll("/", "_")}.o`.replace(/\/+/g, "/");
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeFile(path, object);
      wrong.push(...await outputs(folder, { where: "the file's name", text, path }, good));
      // The error for a missing file contains its name too.
      const { error } = await skep(["inspect", `${path}.none`]);
      const raw = obeyed(error);
      if (raw !== undefined) wrong.push(`${JSON.stringify(text)}: the error of no file has ${raw}`);
    }
    assertEquals([...await compile(folder), ...wrong].slice(0, 20), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
