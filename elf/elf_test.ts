import { assert, assertEquals, assertThrows } from "@std/assert";
import big from "../tests/fixtures/big_endian/links.bpf.o" with { type: "bytes" };
import little from "../tests/fixtures/links.bpf.o" with { type: "bytes" };
import { elfBytes, symbolBytes } from "../tests/support/elf_bytes.ts";
import { SectionType } from "./constants.ts";
import { ElfError } from "./elf_error.ts";
import { ElfFile, type ElfOptions, type ElfSection } from "./elf.ts";

function refuses(bytes: Uint8Array, text: string, options: ElfOptions = {}): ElfError {
  const error = assertThrows(() => ElfFile.parse(bytes, { name: "x.o", ...options }), ElfError);
  assert(error.message.includes(text), `"${error.message}" should say "${text}"`);
  assertEquals(error.stage, "open");
  return error;
}

function section(elf: ElfFile, name: string): ElfSection {
  const found = elf.section(name);
  assert(found !== undefined, name);
  return found;
}

/** Bytes with one field changed. */
function patched(bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const copy = bytes.slice();
  change(new DataView(copy.buffer));
  return copy;
}

Deno.test("ElfFile reads sections, symbols and relocations of a clang-built object", () => {
  const elf = ElfFile.parse(little, "links.bpf.o");
  assertEquals(elf.littleEndian, true);
  assertEquals(elf.machine, 247);
  assertEquals(elf.type, 1);
  assertEquals(section(elf, "license").data, new TextEncoder().encode("GPL\0"));
  const symbols = new Map(elf.symbols.map((symbol) => [symbol.name, symbol]));
  const first = symbols.get("first");
  assertEquals(first?.type, "func");
  assertEquals(first?.binding, "global");
  assertEquals(first?.sectionIndex, section(elf, "socket").index);
  assertEquals(symbols.get("weak_one")?.binding, "weak");
  assertEquals(symbols.get("hidden_one")?.visibility, "hidden");
  assertEquals(symbols.get("each")?.binding, "local");
  assertEquals(symbols.get("missing_symbol")?.sectionIndex, 0);
  assertEquals(
    elf.relocations(section(elf, ".text")).map(({ offset, type, symbol, addend }) => [
      offset,
      type,
      elf.symbols[symbol]?.name,
      addend,
    ]),
    [[0, 1, "shared_data", 0], [0x28, 1, "", 0], [0x50, 10, "weak_one", 0]],
  );
  assertEquals(elf.relocations(section(elf, "license")), []);
});

Deno.test("ElfFile reads the same from a big-endian object", () => {
  const one = ElfFile.parse(little);
  const other = ElfFile.parse(big);
  assertEquals(other.littleEndian, false);
  const facts = (elf: ElfFile): unknown => ({
    sections: elf.sections.map(({ name, type, flags, size, link, info, entrySize }) => ({
      name,
      type,
      flags,
      size,
      link,
      info,
      entrySize,
    })),
    symbols: elf.symbols.map(({ name, value, size, binding, type, visibility, sectionIndex }) => ({
      name,
      value,
      size,
      binding,
      type,
      visibility,
      sectionIndex,
    })),
    relocations: elf.sections.map((section) => elf.relocations(section)),
  });
  assertEquals(facts(other), facts(one));
});

Deno.test("ElfFile joins several relocation tables of one section", () => {
  const table = new Uint8Array(16);
  const elf = ElfFile.parse(elfBytes([
    { name: "code", type: SectionType.progbits, data: new Uint8Array(16), flags: 6 },
    { name: ".symtab", type: SectionType.symtab, data: symbolBytes([]), link: 5, entrySize: 24 },
    { name: ".rela", type: SectionType.rel, data: table, link: 2, info: 1, entrySize: 16 },
    { name: ".relb", type: SectionType.rel, data: table, link: 2, info: 1, entrySize: 16 },
  ]));
  assertEquals(elf.relocations(section(elf, "code")).length, 2);
});

Deno.test("ElfFile reads addends of both signs", () => {
  const data = new Uint8Array(24);
  new DataView(data.buffer).setBigInt64(16, -8n, true);
  const elf = ElfFile.parse(elfBytes([
    { name: "code", type: SectionType.progbits, data: new Uint8Array(16) },
    { name: ".rela", type: SectionType.rela, data, info: 1, entrySize: 24 },
  ]));
  assertEquals(elf.relocations(section(elf, "code"))[0]?.addend, -8);
});

Deno.test("ElfFile reads zero-initialised sections as a size without bytes", () => {
  const elf = ElfFile.parse(elfBytes([
    { name: ".bss", type: SectionType.nobits, size: 1 << 30 },
    { name: "empty", type: SectionType.progbits },
  ]));
  assertEquals(section(elf, ".bss").size, 1 << 30);
  assertEquals(section(elf, ".bss").data.length, 0);
  assertEquals(section(elf, "empty").size, 0);
});

Deno.test("ElfFile takes the number of sections and the table of names from the first header", () => {
  const elf = ElfFile.parse(elfBytes([
    { name: "code", type: SectionType.progbits, data: new Uint8Array(8) },
  ], { extended: true }));
  assertEquals(elf.sections.map(({ name }) => name), ["", "code", ".strtab"]);
});

Deno.test("ElfFile reads more than 65 280 sections, and symbols in the last of them", () => {
  const many = 0x1_0010;
  const extended = new Uint8Array(8);
  new DataView(extended.buffer).setUint32(4, many, true);
  const bytes = elfBytes([
    {
      name: ".symtab",
      type: SectionType.symtab,
      data: symbolBytes([{ section: 0xffff }]),
      entrySize: 24,
      link: many + 1,
    },
    { name: ".shndx", type: SectionType.symtabShndx, data: extended, link: 1, entrySize: 4 },
    ...Array.from({ length: many - 2 }, (_, index) => ({
      name: index === many - 3 ? "last" : "",
      type: SectionType.progbits,
    })),
  ], { extended: true });
  const elf = ElfFile.parse(bytes);
  assertEquals(elf.sections.length, many + 2);
  assertEquals(elf.sections[elf.symbols[1]?.sectionIndex ?? 0]?.name, "last");
});

Deno.test("ElfFile refuses an extended section index without its table", () => {
  refuses(
    elfBytes([{
      name: ".symtab",
      type: SectionType.symtab,
      data: symbolBytes([{ section: 0xffff }]),
      entrySize: 24,
      link: 2,
    }]),
    "symbol 1 has an extended section index",
  );
});

Deno.test("ElfFile keeps absolute and common symbols apart from sections", () => {
  const elf = ElfFile.parse(elfBytes([{
    name: ".symtab",
    type: SectionType.symtab,
    data: symbolBytes([{ section: 0xfff1, info: 4 }, { section: 0xfff2 }]),
    entrySize: 24,
    link: 2,
  }]));
  assertEquals(elf.symbols.map(({ sectionIndex }) => sectionIndex), [0, 0xfff1, 0xfff2]);
  assertEquals(elf.symbols[1]?.type, "file");
});

Deno.test("ElfFile says what is wrong with bytes that are no BPF object", () => {
  assertEquals(refuses(new Uint8Array(0), "it is empty").errno, "ENOEXEC");
  refuses(new TextEncoder().encode("#!/bin/sh\n"), "it is not an ELF file");
  refuses(little.slice(0, 40), "its header ends after 40 of 64 bytes");
  refuses(patched(little, (view) => view.setUint8(4, 1)), "32-bit");
  refuses(patched(little, (view) => view.setUint8(5, 3)), "byte order is 3");
  refuses(patched(little, (view) => view.setUint8(6, 9)), "ELF version is 9");
  refuses(
    patched(little, (view) => view.setUint16(18, 62, true)),
    "it is for machine 62, not for BPF",
  );
  refuses(patched(little, (view) => view.setUint16(16, 2, true)), "not a relocatable object");
});

Deno.test("ElfFile refuses tables that leave the file", () => {
  const end = little.length;
  refuses(patched(little, (view) => view.setUint32(40, end, true)), "past its end");
  refuses(patched(little, (view) => view.setUint16(60, 0xff00, true)), "ends past");
  refuses(patched(little, (view) => view.setUint16(58, 40, true)), "40 bytes, not 64");
  refuses(
    patched(little, (view) => view.setUint32(44, 0x40_0000, true)),
    "section table offset is 0x400000",
  );
  refuses(little.slice(0, end - 1), "ends past");
  const table = new DataView(little.buffer, little.byteOffset).getUint32(40, true);
  const error = refuses(
    patched(little, (view) => view.setUint32(table + 2 * 64 + 32, end, true)),
    "section 2 takes bytes",
  );
  assertEquals(error.data["offset"], table + 2 * 64 + 24);
});

Deno.test("ElfFile refuses sections that share bytes", () => {
  const data = new Uint8Array(4096);
  const bytes = elfBytes([
    { name: "one", type: SectionType.progbits, data },
    { name: "two", type: SectionType.progbits, data },
  ]);
  const view = new DataView(bytes.buffer);
  const table = view.getUint32(40, true);
  view.setUint32(table + 2 * 64 + 24, 64, true);
  view.setUint32(table + 2 * 64 + 32, 8192, true);
  refuses(bytes, "overlap");
});

Deno.test("ElfFile refuses names outside their table and tables without an end", () => {
  const table = new DataView(little.buffer, little.byteOffset).getUint32(40, true);
  refuses(
    patched(little, (view) => view.setUint32(table + 64 * 3, 0x7fff_ffff, true)),
    "the name of section 3",
  );
  refuses(
    patched(little, (view) => view.setUint16(62, 9, true)),
    "section 9 is not a string table",
  );
  refuses(
    elfBytes([{
      name: ".symtab",
      type: SectionType.symtab,
      data: symbolBytes([{ name: 1 << 20 }]),
      entrySize: 24,
      link: 2,
    }]),
    "the name of symbol 1",
  );
});

Deno.test("ElfFile refuses two symbol tables and a torn one", () => {
  const symtab = {
    name: ".symtab",
    type: SectionType.symtab,
    data: symbolBytes([]),
    entrySize: 24,
    link: 3,
  };
  refuses(elfBytes([symtab, symtab]), "two symbol tables");
  refuses(elfBytes([{ ...symtab, data: new Uint8Array(30), link: 2 }]), "30 bytes");
});

Deno.test("ElfFile refuses a relocation of a symbol that is not there", () => {
  const data = new Uint8Array(16);
  new DataView(data.buffer).setUint32(12, 7, true);
  const elf = ElfFile.parse(elfBytes([
    { name: "code", type: SectionType.progbits, data: new Uint8Array(16) },
    { name: ".symtab", type: SectionType.symtab, data: symbolBytes([]), link: 4, entrySize: 24 },
    { name: ".rel", type: SectionType.rel, data, link: 2, info: 1, entrySize: 16 },
  ]));
  const error = assertThrows(() => elf.relocations(section(elf, "code")), ElfError);
  assert(error.message.includes("names symbol 7 of 1"));
});

Deno.test("ElfFile reads an ordinary file's segments and dynamic symbols when it is asked to", () => {
  const bytes = elfBytes([
    {
      name: ".dynsym",
      type: SectionType.dynsym,
      data: symbolBytes([{ value: 0x1234, info: 0x12, section: 1 }]),
      entrySize: 24,
      link: 2,
    },
  ], { machine: 62, type: 3 });
  refuses(bytes, "machine 62");
  const withSegments = new Uint8Array(bytes.length + 56);
  withSegments.set(bytes);
  const view = new DataView(withSegments.buffer);
  view.setUint32(32, bytes.length, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(bytes.length, 1, true);
  view.setUint32(bytes.length + 4, 5, true);
  view.setUint32(bytes.length + 8, 64, true);
  view.setUint32(bytes.length + 16, 0x400000, true);
  view.setUint32(bytes.length + 32, 24, true);
  view.setUint32(bytes.length + 40, 24, true);
  const elf = ElfFile.parse(withSegments, { anyMachine: true });
  assertEquals(elf.dynamicSymbols[1]?.value, 0x1234);
  assertEquals(elf.dynamicSymbols[1]?.type, "func");
  assertEquals(elf.symbols, []);
  assertEquals(elf.hasSymbolTable, false);
  const segment = elf.segments[0];
  assertEquals([segment?.type, segment?.flags, segment?.address, segment?.data.length], [
    1,
    5,
    0x400000,
    24,
  ]);
});

Deno.test("ElfFile without a section table has no sections", () => {
  const elf = ElfFile.parse(patched(little, (view) => view.setUint32(40, 0, true)));
  assertEquals(elf.sections, []);
  assertEquals(elf.symbols, []);
  assertEquals(elf.section(".text"), undefined);
});
