// Small objects that would expand to a large size: each limit gives a typed error early.

import { assert, assertEquals } from "@std/assert";
import { Btf } from "../../btf/btf.ts";
import { BtfBuilder } from "../../btf/build/builder.ts";
import { elfBytes, symbolBytes } from "../../tests/support/elf_bytes.ts";
import { ObjectSpec } from "../object_spec.ts";
import { relocate } from "./relocate.ts";

const EXIT = [0x95, 0, 0, 0, 0, 0, 0, 0];
const CALL_TEXT = [0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff];

/** Creates programs of two instructions that all call the same subprogram. */
function manyPrograms(programs: number, instructions: number): Uint8Array {
  const text = new Uint8Array(instructions * 8);
  text.set(EXIT, text.length - 8);
  for (let at = 0; at < text.length - 8; at += 8) text[at] = 0xb7;
  const code = new Uint8Array(programs * 16);
  const relocations = new Uint8Array(programs * 16);
  const view = new DataView(relocations.buffer);
  const names = ["big", ...Array.from({ length: programs }, (_, index) => `p${index}`)];
  const offsets: number[] = [];
  let table = "\0";
  for (const name of names) {
    offsets.push(table.length);
    table += `${name}\0`;
  }
  for (let index = 0; index < programs; index++) {
    code.set([...CALL_TEXT, ...EXIT], index * 16);
    view.setBigUint64(index * 16, BigInt(index * 16), true);
    view.setUint32(index * 16 + 8, 10, true);
    view.setUint32(index * 16 + 12, 1, true);
  }
  const symbols = symbolBytes(names.map((_, index) => ({
    name: offsets[index] as number,
    info: 0x12,
    section: index === 0 ? 1 : 2,
    value: index === 0 ? 0 : (index - 1) * 16,
    size: index === 0 ? text.length : 16,
  })));
  return elfBytes([
    { name: ".text", type: 1, flags: 6, data: text },
    { name: "socket", type: 1, flags: 6, data: code },
    { name: ".relsocket", type: 9, data: relocations, link: 4, info: 2, entrySize: 16 },
    { name: ".symtab", type: 2, data: symbols, link: 5, info: 1, entrySize: 24 },
    { name: ".names", type: 3, data: new TextEncoder().encode(table) },
  ]);
}

Deno.test("many programs with one big subprogram are refused before they take all memory", () => {
  // 0.8 MB, which would be linked into 12 GB.
  const spec = ObjectSpec.parse(manyPrograms(15_000, 10_000));
  const start = performance.now();
  const { programs } = relocate(spec, [...spec.programs]);
  const took = performance.now() - start;
  const linked = programs.filter((one) => "instructions" in one);
  assertEquals(linked.length, 456);
  const last = programs.at(-1);
  assert(last !== undefined && "error" in last);
  assertEquals(last.error.errno, "E2BIG");
  assert(took < 5000, `it took ${took} ms`);
});

Deno.test("an ordinary number of programs with a big subprogram is linked", () => {
  const spec = ObjectSpec.parse(manyPrograms(40, 10_000));
  const { programs } = relocate(spec, [...spec.programs]);
  assert(programs.every((one) => "instructions" in one && one.instructions.length === 80_016));
});

Deno.test("types that share the ends of one long name are refused", () => {
  const builder = new BtfBuilder();
  for (let type = 0; type < 50_000; type++) builder.addStruct("s", 0, []);
  const plain = builder.build();
  const length = 200_000;
  const view = new DataView(plain.buffer);
  const stringsAt = 24 + view.getUint32(16, true);
  const bytes = new Uint8Array(stringsAt + length + 2).fill(0x61);
  bytes.set(plain.subarray(0, stringsAt));
  bytes[stringsAt] = 0;
  bytes[bytes.length - 1] = 0;
  const out = new DataView(bytes.buffer);
  out.setUint32(20, length + 2, true);
  for (let type = 0; type < 50_000; type++) out.setUint32(24 + type * 12, 1 + type, true);
  const start = performance.now();
  let message = "";
  try {
    Btf.parse(bytes);
  } catch (error) {
    message = String(error);
  }
  assert(message.includes("E2BIG: its names share their bytes"), message);
  assert(performance.now() - start < 1000);
});
