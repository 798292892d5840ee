/**
 * Compares our ELF reader with another one, `elfinfo`, over every object in the tree.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { open } from "elfinfo";
import { ElfFile } from "../elf/mod.ts";

/** A symbol table of `elfinfo`, whose published types leave tables out. */
interface TheirSymbol {
  readonly name: string;
  readonly value: number | bigint;
  readonly size: number | bigint;
  readonly shndx: number;
  readonly binding: number;
  readonly type: number;
  readonly visibility: number;
}

/** A relocation table of `elfinfo`. */
interface TheirRelocation {
  readonly addr: number | bigint;
  readonly type: number;
  readonly symbolIndex: number;
}

const root = new URL("../", import.meta.url);
const BINDINGS = ["local", "global", "weak"];
const TYPES = ["notype", "object", "func", "section", "file"];
const VISIBILITIES = ["default", "internal", "hidden", "protected"];

function* objects(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(new URL(`${directory}/`, root))) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* objects(path);
    else if (path.endsWith(".bpf.o")) yield path;
  }
}

const paths = [...objects("tests/fixtures"), ...objects("examples")].sort();

Deno.test("there are objects of three compilers and of both byte orders to compare", () => {
  for (const directory of ["clang14", "clang22", "big_endian"]) {
    assert(paths.some((path) => path.includes(`/${directory}/`)), directory);
  }
});

for (const path of paths) {
  Deno.test(`ElfFile reads ${path} as elfinfo does`, async () => {
    const bytes = Deno.readFileSync(new URL(path, root));
    const ours = ElfFile.parse(bytes, path);
    const answer = await open(bytes);
    assert(answer.success && answer.elf !== undefined, answer.errors.join(", "));
    const theirs = answer.elf;
    assertEquals(
      ours.sections.map(({ name, type, flags, offset, size, link, info, entrySize }) => ({
        name,
        type,
        flags,
        offset,
        size,
        link,
        info,
        entrySize,
      })),
      theirs.sections.map((section) => ({
        name: section.index === 0 ? "" : section.name,
        type: Number(section.type),
        flags: Number(section.flags),
        offset: Number(section.offset),
        size: Number(section.size),
        link: section.link,
        info: section.info,
        entrySize: Number(section.entsize),
      })),
    );
    const table = theirs.sections.find((section) => "symbols" in section);
    assert(table !== undefined && "symbols" in table);
    assertEquals(
      ours.symbols.map(({ name, value, size, sectionIndex, binding, type, visibility }) => ({
        name,
        value,
        size,
        sectionIndex,
        binding,
        type,
        visibility,
      })),
      (table.symbols as TheirSymbol[]).map((symbol) => ({
        name: symbol.name,
        value: Number(symbol.value),
        size: Number(symbol.size),
        sectionIndex: symbol.shndx,
        binding: BINDINGS[symbol.binding],
        type: TYPES[symbol.type],
        visibility: VISIBILITIES[symbol.visibility],
      })),
    );
    let tables = 0;
    for (const section of theirs.sections) {
      if (!("relocations" in section)) continue;
      tables++;
      const target = ours.sections[section.info];
      assert(target !== undefined);
      assertEquals(
        ours.relocations(target).map(({ offset, type, symbol }) => ({ offset, type, symbol })),
        (section.relocations as TheirRelocation[]).map(({ addr, type, symbolIndex }) => ({
          offset: Number(addr),
          type: Number(type),
          symbol: Number(symbolIndex),
        })),
      );
    }
    assert(tables > 0, "no relocation table was compared");
  });
}
