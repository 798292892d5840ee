// Checks the rules of ARCHITECTURE.md by reading the source: the direction of imports, which rooms make
// system calls, which print, and that the commands and versions in the README are right.

import { assert, assertEquals } from "@std/assert";
import { deadExports } from "./support/exports.ts";

const root = new URL("../", import.meta.url);

/** Top-level folders of the library, from the bottom up. */
const LAYERS = [
  "uapi",
  "errors",
  "elf",
  "btf",
  "object",
  "plan",
  "explain",
  "kernel",
  "token",
  "loader",
  "cli",
] as const;
const PURE_LAYERS = ["uapi", "errors", "elf", "btf", "object", "plan", "explain"];

/** A room and the rooms that it may import. */
interface Room {
  readonly path: string;
  readonly imports: readonly string[];
}

/** Reads the rooms and arrows from the table in ARCHITECTURE.md. */
async function rooms(): Promise<Room[]> {
  const names = (cell: string): string[] =>
    Array.from(cell.matchAll(/`([^`]+)`/g), ([, a = ""]) => a);
  const found: Room[] = [];
  for (const line of (await read("ARCHITECTURE.md")).split("\n")) {
    const cells = /^\| `([\w/]+)\/` +\|.*\| ([^|]+) \|$/.exec(line);
    if (cells === null) continue;
    found.push({ path: cells[1] ?? "", imports: names(cells[2] ?? "") });
  }
  return found;
}

async function sources(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(new URL(`${folder}/`, root))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...await sources(path));
    else if (entry.name.endsWith(".ts")) found.push(path);
  }
  return found.sort();
}

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, root));
}

function layerOf(path: string): string | undefined {
  const top = path.slice(0, path.indexOf("/"));
  return LAYERS.find((layer) => layer === top);
}

/** Returns the folder of a file. */
function roomOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function isTest(path: string): boolean {
  return path.endsWith("_test.ts") || path.includes("/testdata/");
}

/** Returns the source without comments and string contents: a name in either is not a use of it. */
function codeOf(source: string): string {
  return source.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g,
    (part) => part.startsWith("/") ? " ".repeat(1) : '""',
  );
}

interface Import {
  readonly from: string;
  /** A path below the root, or a bare specifier. */
  readonly to: string;
}

/** Returns the static imports, re-exports and dynamic imports of one file. */
function importsOf(path: string, source: string): Import[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, " ").replace(/^\s*\/\/[^\n]*$/gm, "");
  const pattern = /(?:^|[\s;}])(?:from|import)\s*\(?\s*"([^"\s]+)"/g;
  return Array.from(code.matchAll(pattern), ([, specifier = ""]) => ({
    from: path,
    to: specifier.startsWith(".")
      ? new URL(specifier, new URL(path, root)).href.slice(root.href.length)
      : specifier,
  }));
}

async function allImports(includeTests: boolean): Promise<Import[]> {
  const found: Import[] = [];
  for (const layer of LAYERS) {
    for (const path of await sources(layer)) {
      if (includeTests || !isTest(path)) found.push(...importsOf(path, await read(path)));
    }
  }
  return found;
}

Deno.test("the import reader sees every form of import", () => {
  const source = [
    'import { a } from "./a.ts";',
    'import type { b } from "../btf/b.ts";',
    'export * from "../elf/c.ts";',
    'const d = await import("../object/d.ts");',
    'import "../kernel/e.ts";',
    '// import "../cli/never.ts";',
    '/* import { x } from "../cli/never.ts"; */',
    'import { f } from "@std/assert";',
  ].join("\n");
  assertEquals(importsOf("loader/x.ts", source).map(({ to }) => to), [
    "loader/a.ts",
    "btf/b.ts",
    "elf/c.ts",
    "object/d.ts",
    "kernel/e.ts",
    "@std/assert",
  ]);
});

Deno.test("ARCHITECTURE.md has every room, and every room says what it imports", async () => {
  const known = await rooms();
  const folders = new Set<string>();
  for (const layer of LAYERS) {
    for (const path of await sources(layer)) folders.add(roomOf(path));
  }
  assertEquals(known.map(({ path }) => path).sort(), [...folders].sort());
  for (const { path, imports } of known) {
    if (path === "cli") continue;
    const [header = ""] = (await read(`${path}/mod.ts`)).split("*/");
    assert(header.includes("@module"), `${path}/mod.ts has no module documentation`);
    const [, said = ""] = /^ \* Imports: ([^.]+)\.$/m.exec(header.replace(/,\n \* +/g, ", ")) ?? [];
    const list = said === "nothing" ? [] : said.split(", ");
    assertEquals(list.sort(), [...imports].sort(), `${path}/mod.ts and ARCHITECTURE.md disagree`);
  }
});

Deno.test("the table of rooms has no arrow that points back", async () => {
  const known = await rooms();
  const wrong: string[] = [];
  for (const [at, { path, imports }] of known.entries()) {
    for (const target of imports) {
      // A room below, or all rooms of a layer below.
      const last = known.findLastIndex((room) =>
        room.path === target ||
        (layerOf(`${path}/`) !== target && room.path.startsWith(`${target}/`))
      );
      if (last < 0 || last >= at) wrong.push(`${path} imports ${target}, which stands after it`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("imports point one way only", async () => {
  const known = new Map((await rooms()).map((room) => [room.path, room.imports]));
  const wrong: string[] = [];
  for (const { from, to } of await allImports(false)) {
    if (!to.includes("/") || to.startsWith("@") || to.includes(":")) continue;
    const [source, target] = [layerOf(from), layerOf(to)];
    if (to === "deno.json" && source === "cli") continue;
    if (target === undefined) {
      wrong.push(`${from} imports ${to}, which is in no layer`);
    } else if (source === target) {
      // A room's mod.ts re-exports the files below it.
      const gathers = from.endsWith("/mod.ts") && roomOf(to).startsWith(roomOf(from));
      if (gathers || roomOf(from) === roomOf(to)) continue;
      if (!known.get(roomOf(from))?.includes(roomOf(to))) wrong.push(`${from} imports ${to}`);
    } else if (from.endsWith("/mod.ts") && source !== "cli") {
      if (
        LAYERS.indexOf(target as typeof LAYERS[number]) >= LAYERS.findIndex((l) => l === source)
      ) {
        wrong.push(`${from} imports ${to}`);
      }
    } else if (!known.get(roomOf(from))?.includes(target)) wrong.push(`${from} imports ${to}`);
  }
  assertEquals(wrong, []);
});

Deno.test("no import goes in a circle, types included", async () => {
  const edges = new Map<string, string[]>();
  for (const { from, to } of await allImports(false)) {
    edges.set(from, [...edges.get(from) ?? [], to]);
  }
  const done = new Set<string>();
  const path: string[] = [];
  const circles: string[] = [];
  const visit = (file: string): void => {
    if (done.has(file)) return;
    const at = path.indexOf(file);
    if (at >= 0) {
      circles.push([...path.slice(at), file].join(" -> "));
      return;
    }
    path.push(file);
    for (const next of edges.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of edges.keys()) visit(file);
  assertEquals(circles, []);
});

/** Packages that a library file may import: parsing JSONC is outside the project's subject. */
const BORROWED: { readonly [file: string]: string } = {
  "token/broker/policy_text.ts": "@std/jsonc",
};

Deno.test("only the command line, tests and the reader of policies use packages", async () => {
  const wrong = (await allImports(false))
    .filter(({ from, to }) =>
      !to.endsWith(".ts") && !to.endsWith(".json") && layerOf(from) !== "cli"
    )
    .filter(({ from, to }) => !/^node:/.test(to) && BORROWED[from] !== to)
    .map(({ from, to }) => `${from} imports ${to}`);
  // elfinfo is a reference for tests; code that users run must not import it.
  assertEquals(wrong, []);
});

Deno.test("foreign functions are called in kernel/ only", async () => {
  const wrong: string[] = [];
  const places = [...LAYERS.filter((layer) => layer !== "kernel"), "examples", "tests", "bench"];
  for (const layer of places) {
    for (const path of await sources(layer)) {
      if (/\bDeno\s*\.\s*(?:dlopen|Unsafe\w+)/.test(codeOf(await read(path)))) wrong.push(path);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("pure layers do not know Deno, Node or the network", async () => {
  const wrong: string[] = [];
  for (const layer of PURE_LAYERS) {
    for (const path of await sources(layer)) {
      if (isTest(path)) continue;
      const source = await read(path);
      // In comments as well: what a docstring of a pure layer explains by Deno, a browser's user lacks.
      const found = /\bDeno\./.exec(source) ??
        /\bDeno\b|\bprocess\.|\bfetch\s*\(|\bXMLHttpRequest\b/.exec(codeOf(source));
      if (found !== null) wrong.push(`${path}: ${found[0]}`);
      for (const { to } of importsOf(path, source)) {
        if (to.startsWith("node:")) wrong.push(`${path}: ${to}`);
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("an errno is compared by name", async () => {
  const wrong: string[] = [];
  for (const folder of [...LAYERS, "examples", "tests"]) {
    for (const path of await sources(folder)) {
      // failed(result, Errno.ENOENT) instead of `result === -2` and `failed(result, Errno.ENOENT)`.
      // -1 is also an index that was not found.
      const raw = /[=!]== -(?:[2-9]|[1-9]\d+|Errno\.\w+)\b/g;
      for (const [found] of codeOf(await read(path)).matchAll(raw)) wrong.push(`${path}: ${found}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("libraries do not print", async () => {
  const wrong: string[] = [];
  for (const layer of LAYERS) {
    if (layer === "cli") continue;
    for (const path of await sources(layer)) {
      if (!isTest(path) && /\bconsole\s*\./.test(codeOf(await read(path)))) wrong.push(path);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("examples use the package's entry points only", async () => {
  const { exports, imports } = JSON.parse(await read("deno.json")) as {
    exports: Record<string, string>;
    imports: Record<string, string>;
  };
  for (const [entry, file] of Object.entries(exports)) {
    assertEquals(imports[`@skep/skep${entry.slice(1)}`], file, `the import map lacks ${entry}`);
  }
  const wrong: string[] = [];
  for (const path of await sources("examples")) {
    for (const { to } of importsOf(path, await read(path))) {
      const allowed = Object.hasOwn(exports, to.replace("@skep/skep", ".")) ||
        to.startsWith("@std/") || to.startsWith("examples/") ||
        (isTest(path) && to.startsWith("tests/support/"));
      if (!allowed) wrong.push(`${path} imports ${to}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("tests/README.md names files that are there, and helpers have names of their own", async () => {
  const page = await read("tests/README.md");
  for (const [, path = ""] of page.matchAll(/`([\w/]+_test\.ts)`/g)) {
    const place = path.includes("/") ? path : `tests/${path}`;
    assert((await Deno.stat(new URL(place, root))).isFile, `tests/README.md names ${path}`);
  }
  const wrong: string[] = [];
  for (const folder of [...LAYERS, "tests", "bench", "examples"]) {
    for (const path of await sources(folder)) {
      if (!isTest(path) && !path.startsWith("tests/")) continue;
      const found = /\bfunction\*? (is|code|kernel)\b/.exec(codeOf(await read(path)));
      if (found !== null) wrong.push(`${path}: ${found[1]}()`);
    }
  }
  assertEquals(wrong, []);
});

/** Matches conditional spreads with an empty object on one side: `...(x === undefined ? {} : { x })`. */
function conditionalSpreads(code: string): string[] {
  const found: string[] = [];
  for (const { index } of code.matchAll(/\.\.\.\(/g)) {
    let depth = 0;
    let end = index + 3;
    do {
      const character = code[end++] ?? ")";
      if ("([{".includes(character)) depth++;
      if (")]}".includes(character)) depth--;
    } while (depth > 0);
    const spread = code.slice(index, end);
    if (/[?:]\s*\{\s*\}\s*(?:as const\s*)?[:)]/.test(spread)) {
      found.push(spread.replace(/\s+/g, " "));
    }
  }
  return found;
}

Deno.test("no object is put together by conditional spreads", async () => {
  assertEquals(
    conditionalSpreads(
      "({ ...(a ? {} : { b }), ...(c ? [d] : []), ...(e(1) ? { f: g({}) } : {}) })",
    ),
    ["...(a ? {} : { b })", "...(e(1) ? { f: g({}) } : {})"],
  );
  // Such spreads disable the check for unknown properties: declare `x?: T | undefined` and write `{ x }`.
  const wrong: string[] = [];
  for (const folder of [...LAYERS, "examples", "tests", "bench"]) {
    for (const path of await sources(folder)) {
      for (const spread of conditionalSpreads(codeOf(await read(path)))) {
        wrong.push(`${path}: ${spread}`);
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("the reader of exports finds what nobody uses", () => {
  const found = deadExports(
    new Map([
      ["a/mod.ts", 'export * from "./a.ts";\nexport { byName } from "./a.ts";'],
      [
        "a/a.ts",
        [
          "export const byName = 1;",
          "export function dead(): void {}",
          "export function forTests(): void {}",
          "export function tested(): void {}\ntested();",
          "export interface Mentioned {}\nexport const shown: Mentioned = {};",
          "export type Unmentioned = 1;",
          "export const throughMod = 2;",
        ].join("\n"),
      ],
      ["a/a_test.ts", 'import { forTests, tested } from "./a.ts";'],
      [
        "b/b.ts",
        'import { type shown } from "../a/a.ts";\nimport * as a from "../a/mod.ts";\na.throughMod;',
      ],
    ]),
  );
  assertEquals(found, [
    "a/a.ts: dead",
    "a/a.ts: forTests (tests alone use it)",
    "a/a.ts: Unmentioned",
  ]);
});

Deno.test("every export is used by another file, or exported by name", async () => {
  const files = new Map<string, string>([["mod.ts", await read("mod.ts")]]);
  for (const folder of [...LAYERS, "tests", "bench", "examples"]) {
    for (const path of await sources(folder)) files.set(path, await read(path));
  }
  for (const page of ["README.md", "docs/api.md"]) files.set(page, await read(page));
  // uapi/ is generated and has all of Linux's names, used or not.
  assertEquals(deadExports(files).filter((each) => !each.startsWith("uapi/")), []);
});

Deno.test("no source file is longer than 600 lines, unless it is generated", async () => {
  const wrong: string[] = [];
  for (const layer of [...LAYERS, "examples"]) {
    for (const path of await sources(layer)) {
      const source = await read(path);
      const lines = source.split("\n").length;
      if (lines > 600 && !/generated/i.test(source.slice(0, 1000))) wrong.push(`${path}: ${lines}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("the README's tasks exist and its Deno is the pinned one", async () => {
  const { tasks } = JSON.parse(await read("deno.json")) as { tasks: Record<string, unknown> };
  const version = (await read(".dvmrc")).trim();
  const pages = ["README.md"];
  for await (const entry of Deno.readDir(new URL("docs/", root))) {
    if (entry.name.endsWith(".md")) pages.push(`docs/${entry.name}`);
  }
  let versions = 0;
  for (const page of pages) {
    const text = await read(page);
    for (const [, task = ""] of text.matchAll(/deno(?:@\S+)? task ([\w:-]+)/g)) {
      assert(
        Object.hasOwn(tasks, task),
        `${page} names the task "${task}", which is not in deno.json`,
      );
    }
    for (const [, shown = ""] of text.matchAll(/deno@(\d+\.\d+\.\d+)/g)) {
      assertEquals(shown, version, `${page} shows another Deno than .dvmrc`);
      versions++;
    }
  }
  assert(versions > 0, "the README shows no version of Deno");
});

Deno.test("every task's files are there", async () => {
  const { tasks } = JSON.parse(await read("deno.json")) as {
    tasks: Record<string, { command: string; description?: string | undefined }>;
  };
  for (const [name, { command, description }] of Object.entries(tasks)) {
    assert(description !== undefined, `task ${name} has no description`);
    for (const [file] of command.matchAll(/\b[\w/]+\.ts\b/g)) {
      assert((await Deno.stat(new URL(file, root))).isFile, `task ${name} names ${file}`);
    }
  }
});
