import { assert, assertEquals, assertThrows } from "@std/assert";
import big from "../tests/fixtures/big_endian/links.bpf.o" with { type: "bytes" };
import little from "../tests/fixtures/links.bpf.o" with { type: "bytes" };
import { ElfFile } from "../elf/mod.ts";
import { Btf } from "./btf.ts";
import { BtfError } from "./error.ts";
import { BtfExt } from "./ext.ts";

function read(bytes: Uint8Array): { btf: Btf; data: Uint8Array } {
  const elf = ElfFile.parse(bytes);
  const types = elf.section(".BTF");
  const ext = elf.section(".BTF.ext");
  assert(types !== undefined && ext !== undefined);
  return { btf: Btf.parse(types.data), data: ext.data };
}

for (const [order, bytes] of [["little", little], ["big", big]] as const) {
  Deno.test(`BtfExt reads functions, lines and relocations of a ${order}-endian object`, () => {
    const { btf, data } = read(bytes);
    const ext = BtfExt.parse(data, btf);
    const functions = ext.functions.flatMap(({ section, records }) =>
      records.map(({ offset, typeId }) => [section, offset, btf.nameOf(typeId)])
    );
    assertEquals(functions, [
      [".text", 0, "weak_one"],
      [".text", 0x28, "hidden_one"],
      [".text", 0x78, "each"],
      ["socket", 0, "first"],
      ["?raw_tp/sched_switch", 0, "second"],
    ]);
    const line = ext.lines[0]?.records[0];
    assert(line !== undefined);
    assertEquals(line.file, "./tests/fixtures/links.bpf.c");
    assertEquals(line.source, "return a + shared_data;");
    assertEquals(line.line, 50);
    assertEquals(line.lineColumn, line.line << 10 | line.column);
    assertEquals(ext.core.map(({ section }) => section), ["?raw_tp/sched_switch"]);
    const relocations = ext.core[0]?.records ?? [];
    assertEquals(
      relocations.map(({ section, access, kind, typeId }) => [
        section,
        access,
        kind,
        btf.nameOf(typeId),
      ]),
      [["?raw_tp/sched_switch", "0:2", "byte_offset", "task_struct"]],
    );
  });
}

Deno.test("BtfExt keeps longer records whole and reads the known fields", () => {
  const { btf } = read(little);
  const bytes = new Uint8Array(24 + 4 + 8 + 24);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, true);
  view.setUint8(2, 1);
  view.setUint32(4, 24, true);
  view.setUint32(12, 36, true);
  [12, 1, 2, 8, 1, 77, 16, 2, 88].forEach((word, index) => {
    view.setUint32(24 + index * 4, word, true);
  });
  const ext = BtfExt.parse(bytes, btf);
  assertEquals(ext.functions[0]?.recordSize, 12);
  assertEquals(ext.functions[0]?.count, 2);
  assertEquals(ext.functions[0]?.records, [{ offset: 8, typeId: 1 }, { offset: 16, typeId: 2 }]);
  assertEquals([...(ext.functions[0]?.words ?? [])], [8, 1, 77, 16, 2, 88]);
});

Deno.test("BtfExt refuses malformed sections", () => {
  const { btf, data } = read(little);
  const refuses = (change: (view: DataView) => void, text: string, errno = "EINVAL"): void => {
    const copy = data.slice();
    change(new DataView(copy.buffer));
    const error = assertThrows(() => BtfExt.parse(copy, btf), BtfError);
    assert(error.message.includes(text), `"${error.message}" should say "${text}"`);
    assertEquals(error.errno, errno);
  };
  const header = new DataView(data.buffer, data.byteOffset).getUint32(4, true);
  refuses((view) => view.setUint16(0, 0, true), "does not start with");
  refuses((view) => view.setUint8(2, 3), "version 3", "ENOTSUP");
  refuses((view) => view.setUint32(4, 20, true), "header says it has 20");
  refuses((view) => view.setUint32(4, 1 << 20, true), "header says");
  refuses((view) => view.setUint32(8, 2, true), "start at 2");
  refuses((view) => view.setUint32(12, 1 << 20, true), "function records take bytes");
  refuses((view) => view.setUint32(12, 4, true), "there are no function records");
  refuses((view) => view.setUint32(12, 8, true), "cut off");
  refuses((view) => view.setUint32(header, 4, true), "record has 4 bytes");
  refuses((view) => view.setUint32(header + 8, 0, true), "no function records");
  refuses((view) => view.setUint32(header + 8, 0xffff_ffff, true), "are more than");
  refuses((view) => view.setUint32(header + 4, 1 << 20, true), "a name is at");
  assertThrows(() => BtfExt.parse(data.slice(0, 20), btf), BtfError);
});

Deno.test("BtfExt refuses an unknown kind of relocation when it is read", () => {
  const { btf } = read(little);
  const bytes = new Uint8Array(32 + 4 + 8 + 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, true);
  view.setUint8(2, 1);
  view.setUint32(4, 32, true);
  view.setUint32(28, 28, true);
  [16, 1, 1, 0, 1, 1, 99].forEach((word, index) => view.setUint32(32 + index * 4, word, true));
  const [section] = BtfExt.parse(bytes, btf).core;
  assert(section !== undefined);
  assert(assertThrows(() => section.records, BtfError).message.includes("kind 99"));
});
