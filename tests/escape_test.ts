// Checks every place that writes a name read from a file: each printable and control character, alone and
// between letters, must stay part of the name.

import { assert, assertEquals } from "@std/assert";
import { Btf, BtfBuilder, printAllC, printTypeScript, toJson } from "../btf/mod.ts";
import { stringify } from "../cli/json.ts";
import { table } from "../cli/table.ts";
import { objectTypes } from "../cli/types.ts";
import { ObjectSpec, SkepError } from "../object/mod.ts";
import { elfBytes, symbolBytes } from "./support/elf_bytes.ts";

/** Sequences that end strings and comments in C and TypeScript, and names that JavaScript engines treat specially. */
const WHOLE = [
  "*/ evil(); /*",
  "/* evil",
  "// evil",
  "\\",
  "x\\",
  "x??/",
  '"; evil(); "',
  "'; evil(); '",
  "`${evil()}`",
  "</script>",
  'x\n#include "/etc/passwd"\ny',
  "__proto__",
  "constructor",
  "class",
  "while",
  "int",
  "string",
  "Uint8Array",
  "uint8_array",
  "skep",
  "hostile_object",
  "\ud800",
  "a\u200db",
  "蜂",
  "🐝",
  "\u{e0041}",
];

/** All characters below U+0250, those that format text or end lines, and some of each script. */
function characters(): string[] {
  const all: string[] = [];
  for (let code = 1; code < 0x250; code++) all.push(String.fromCodePoint(code));
  for (let code = 0x250; code < 0x1_1000; code++) {
    const character = String.fromCodePoint(code);
    if (/[\p{Cf}\p{Zl}\p{Zp}\p{Zs}]/u.test(character)) all.push(character);
  }
  return all;
}

/** The names after a UTF-8 round trip, which replaces an unpaired surrogate. */
const NAMES = [...new Set([...WHOLE, ...characters().map((one) => `a${one}b`), ...characters()])]
  .map((name) =>
    new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(name))
  );

/** Characters that no output may contain: they control a terminal or are invisible. */
const UNSAFE =
  // deno-lint-ignore no-control-regex
  /[\x00-\x09\x0b-\x1f\x7f-\x9f\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}\ufeff\u{e0000}-\u{e0fff}]/u;

/** Types with each name in each place. */
function hostileTypes(): Btf {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, "signed");
  for (const name of NAMES) {
    const choice = builder.addEnum(name, 4, [{ name, value: 1 }]);
    const inner = builder.addStruct(name, 8, [
      { name, type: int, bitOffset: 0, bitSize: 0 },
      { name: `${name}_`, type: choice, bitOffset: 32, bitSize: 0 },
    ]);
    const typedef = builder.addTypedef(name, inner);
    const tagged = builder.addPointer(builder.addTypeTag(name, int));
    const call = builder.addFunctionPrototype(int, [{ name, type: int }, { name, type: int }]);
    builder.addStruct(`holder of ${name}`, 24, [
      { name, type: typedef, bitOffset: 0, bitSize: 0 },
      { name: `${name} tagged`, type: tagged, bitOffset: 64, bitSize: 0 },
      { name: `${name} call`, type: builder.addPointer(call), bitOffset: 128, bitSize: 0 },
    ]);
    builder.addForward(`forward ${name}`, "struct");
  }
  return Btf.parse(builder.build());
}

function structs(btf: Btf): number[] {
  return Array.from({ length: btf.endId }, (_, id) => id).filter((id) =>
    ["struct", "enum"].includes(btf.kindName(id))
  );
}

/** The text without its comments and strings; throws where one does not end on its line. */
function bare(text: string, lineComments: boolean): string {
  let rest = "";
  for (let at = 0; at < text.length;) {
    const two = text.slice(at, at + 2);
    if (two === "/*") {
      const end = text.indexOf("*/", at);
      assert(end > 0, "a comment does not end");
      at = end + 2;
    } else if (two === "//" && lineComments) {
      at = text.indexOf("\n", at);
    } else if (text[at] === '"') {
      let end = at + 1;
      while (text[end] !== '"') {
        assert(text[end] !== "\n" && end < text.length, "a string does not end on its line");
        end += text[end] === "\\" ? 2 : 1;
      }
      at = end + 1;
      rest += "0";
    } else rest += text[at++];
  }
  return rest;
}

Deno.test("no name leaves its place in TypeScript, and all of it compiles", async () => {
  const btf = hostileTypes();
  const text = printTypeScript(btf, structs(btf));
  assert(!UNSAFE.test(text), String(UNSAFE.exec(text)?.[0]?.charCodeAt(0).toString(16)));
  const code = bare(text, true);
  assert(/^[\w$\s{}:;=|?[\]<>]*$/.test(code), /[^\w$\s{}:;=|?[\]<>].{0,40}/.exec(code)?.[0]);
  assert(!/\bevil\(/.test(code));
  // Every name is present once, so no name replaced another.
  const declared = Array.from(
    code.matchAll(/^export (?:type|interface) ([\w$]+)/gm),
    ([, one]) => one,
  );
  assertEquals(new Set(declared).size, declared.length);
  assertEquals(declared.length, structs(btf).length);
  await compiles(text);
});

Deno.test("no name leaves its place in C, and all of it compiles", async () => {
  const text = printAllC(hostileTypes(), { guard: "*/ evil" });
  assert(!/[^\x20-\x7e\n\t]/.test(text));
  const code = bare(text, false);
  assert(
    /^[\w$\s{}:;=,()*[\]#.\-/]*$/.test(code),
    /[^\w$\s{}:;=,()*[\]#.\-/].{0,40}/.exec(code)?.[0],
  );
  assert(!/\bevil\(/.test(code));
  const path = await Deno.makeTempFile({ suffix: ".c" });
  try {
    await Deno.writeTextFile(path, text);
    const { success, stderr } = await new Deno.Command("clang", {
      args: ["-target", "bpf", "-fsyntax-only", "-std=gnu11", "-ferror-limit=3", "-w", path],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("JSON of any name is the name again, and safe for a terminal", () => {
  const btf = hostileTypes();
  for (let id = 1; id < btf.endId; id++) {
    const json = stringify(toJson(btf, id));
    assert(!UNSAFE.test(json) && !json.includes("\n"), json);
    assertEquals(JSON.parse(json).name, btf.nameOf(id));
  }
});

Deno.test("cells of tables and errors have any name on their one line", () => {
  for (const name of NAMES) {
    const text = table([{ head: "A" }, { head: "B" }], [[name, name]]);
    assertEquals(text.split("\n").length, 3);
    assert(!UNSAFE.test(text), JSON.stringify(text));
    const error = new SkepError({ doing: "load", subject: name, why: name, fix: name });
    assert(!UNSAFE.test(error.message) && !error.message.includes("\n"), error.message);
    const { subject } = JSON.parse(stringify(error));
    assertEquals(subject, name);
  }
});

Deno.test("skep types: neither variables nor the file's own name leave their places", async () => {
  const files = [
    "*/ evil(); /*.o",
    "a\nevil();\n.bpf.o",
    "`\u202e\u2028evil()`.o",
    "1.o",
    ".o",
    "蜂.bpf.o",
    "class.o",
  ];
  for (const name of files) {
    const text = objectTypes(ObjectSpec.parse(hostileObject(), { name }), '"; evil(); "');
    assert(!UNSAFE.test(text));
    assert(!/\bevil\(/.test(bare(text, true)), text.slice(0, 300));
    // Only the first, because the type checker takes seconds.
    if (name === files[0]) await compiles(text);
  }
});

/** Creates an object with a variable of each name. */
function hostileObject(): Uint8Array {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, "signed");
  const names = [...new Set(NAMES)].filter((name) => !name.includes("\ufffd"));
  const variables = names.map((name) => builder.addVariable(name, int, "global"));
  builder.addDataSection(
    ".data",
    names.length * 4,
    variables.map((type, index) => ({ type, offset: index * 4, size: 4 })),
  );
  const table = names.map((name) => `${name}\0`);
  const encoder = new TextEncoder();
  let at = 1;
  const symbols = names.map((_, index) => {
    const symbol = { name: at, info: 0x11, section: 1, value: index * 4, size: 4 };
    at += encoder.encode(table[index]).length;
    return symbol;
  });
  return elfBytes([
    { name: ".data", type: 1, flags: 3, data: new Uint8Array(names.length * 4) },
    { name: ".BTF", type: 1, data: builder.build() },
    { name: ".symtab", type: 2, data: symbolBytes(symbols), link: 4, info: 1, entrySize: 24 },
    { name: ".names", type: 3, data: encoder.encode(`\0${table.join("")}`) },
  ]);
}

async function compiles(text: string): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, text.replace(/^import .*$/m, ""));
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "--no-config", path],
      env: { NO_COLOR: "1" },
    }).output();
    assert(success, new TextDecoder().decode(stderr).slice(0, 2000));
  } finally {
    await Deno.remove(path);
  }
}
