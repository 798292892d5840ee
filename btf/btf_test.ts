import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import bigKinds from "../tests/fixtures/big_endian/kinds.bpf.o" with { type: "bytes" };
import kinds from "../tests/fixtures/kinds.bpf.o" with { type: "bytes" };
import { ElfFile } from "../elf/mod.ts";
import { Btf, type BtfOptions } from "./btf.ts";
import { BtfBuilder } from "./build/builder.ts";
import { BtfError } from "./error.ts";
import type { BtfType, KindName } from "./types.ts";

function section(bytes: Uint8Array, name: string): Uint8Array {
  const found = ElfFile.parse(bytes).section(name);
  assert(found !== undefined);
  return found.data;
}

function find(btf: Btf, name: string, kind: KindName): BtfType {
  const id = btf.find(name, kind);
  assert(id !== undefined, `${kind} ${name}`);
  return btf.type(id);
}

function refuses(bytes: Uint8Array, text: string, options: BtfOptions = {}): void {
  const error = assertThrows(() => Btf.parse(bytes, { name: "x.o", ...options }), BtfError);
  assert(error.message.includes(text), `"${error.message}" should say "${text}"`);
  assertEquals(error.errno, "EINVAL");
  assertEquals(error.stage, "btf");
}

/** BTF with one 32-bit word changed, counted from the first type. */
function patched(bytes: Uint8Array, word: number, value: number): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint32(24 + word * 4, value, true);
  return copy;
}

/** A header of `length` bytes before these words and names. */
function blob(
  words: readonly number[],
  names: string,
  header: { length?: number | undefined; layout?: readonly number[] | undefined } = {},
): Uint8Array {
  const { length = 24, layout = [] } = header;
  const text = new TextEncoder().encode(names);
  const bytes = new Uint8Array(length + words.length * 4 + text.length + layout.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, true);
  view.setUint8(2, 1);
  view.setUint32(4, length, true);
  view.setUint32(12, words.length * 4, true);
  view.setUint32(16, words.length * 4, true);
  view.setUint32(20, text.length, true);
  if (layout.length > 0) {
    view.setUint32(24, words.length * 4 + text.length, true);
    view.setUint32(28, layout.length, true);
    bytes.set(layout, bytes.length - layout.length);
  }
  words.forEach((word, index) => view.setUint32(length + index * 4, word, true));
  bytes.set(text, length + words.length * 4);
  return bytes;
}

const INT = 1 << 24;

Deno.test("Btf decodes clang's BTF in either byte order", () => {
  const little = Btf.parse(section(kinds, ".BTF"));
  const big = Btf.parse(section(bigKinds, ".BTF"));
  assertEquals([little.littleEndian, big.littleEndian], [true, false]);
  assertEquals(big.endId, little.endId);
  for (let id = 0; id < little.endId; id++) {
    assertEquals(big.type(id), little.type(id));
    assertEquals(little.kindName(id), little.type(id).kind);
    assertEquals(little.nameOf(id), little.type(id).name);
  }
});

Deno.test("Btf decodes bitfields, enumerations of both widths, and nested members", () => {
  const btf = Btf.parse(section(kinds, ".BTF"));
  const bits = find(btf, "bits", "struct");
  assert(bits.kind === "struct");
  assertEquals(
    bits.members.map(({ name, bitOffset, bitSize }) => [name, bitOffset, bitSize]),
    [["a", 0, 3], ["b", 3, 5], ["c", 8, 20], ["d", 64, 40], ["e", 104, 1]],
  );
  const color = find(btf, "color", "enum");
  assert(color.kind === "enum");
  assertEquals(color.signed, true);
  assertEquals(color.values, [
    { name: "RED", value: 0 },
    { name: "GREEN", value: 5 },
    { name: "BLUE", value: -1 },
  ]);
  const big = find(btf, "big", "enum64");
  assert(big.kind === "enum64");
  assertEquals(big.values[1], { name: "HUGE", value: 0x123456789abcdef0n });
  const helper = find(btf, "helper", "func");
  assert(helper.kind === "func");
  assertEquals(helper.linkage, "global");
  const quiet = find(btf, "quiet", "func");
  assert(quiet.kind === "func");
  assertEquals(quiet.linkage, "static");
});

Deno.test("Btf decodes a type once", () => {
  const btf = Btf.parse(section(kinds, ".BTF"));
  assertStrictEquals(btf.type(2), btf.type(2));
});

Deno.test("Btf reads a blob that is not aligned", () => {
  const bytes = section(kinds, ".BTF");
  const shifted = new Uint8Array(bytes.length + 1);
  shifted.set(bytes, 1);
  const btf = Btf.parse(shifted.subarray(1));
  assertEquals(find(btf, "all", "struct").name, "all");
});

Deno.test("Btf.size follows typedefs, arrays and variables", () => {
  const btf = Btf.parse(section(kinds, ".BTF"));
  const size = (name: string, kind: KindName): number => btf.size(find(btf, name, kind).id);
  assertEquals(size("all", "struct"), 208);
  assertEquals(size("number_t", "typedef"), 4);
  assertEquals(size("callback_t", "typedef"), 8);
  assertEquals(size("LICENSE", "var"), 4);
  assertEquals(size("packed_one", "struct"), 7);
  const error = assertThrows(() => size("helper", "func"), BtfError);
  assert(error.message.includes("which has no size"));
  assertThrows(() => btf.size(0), BtfError);
});

Deno.test("Btf.alignment finds packed structs", () => {
  const btf = Btf.parse(section(kinds, ".BTF"));
  const alignment = (name: string): number => btf.alignment(find(btf, name, "struct").id);
  assertEquals(alignment("packed_one"), 1);
  assertEquals(alignment("inner"), 4);
  assertEquals(alignment("node"), 8);
  assertEquals(alignment("bits"), 8);
});

Deno.test("Btf.find, findAll and candidates return the same before and after the index is built", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, "signed");
  const names = ["task", "task___old", "task___old___new", "___x", "a____b", "task_struct", "ta"];
  for (const name of names) builder.addStruct(name, 0, []);
  const second = builder.addStruct("task", 4, [{
    name: "x",
    type: int,
    bitOffset: 0,
    bitSize: 0,
  }]);
  const union = builder.addUnion("task", 0, []);
  const btf = Btf.parse(builder.build());
  for (let round = 0; round < 10; round++) {
    assertEquals(btf.find("task", "struct"), 2);
    assertEquals(btf.find("task", ["union", "struct"]), 2);
    assertEquals(btf.find("task", "union"), union);
    assertEquals(btf.find("task", "enum"), undefined);
    assertEquals(btf.find("tas", "struct"), undefined);
    assertEquals(btf.find("task___old", "struct"), 3);
    assertEquals(btf.find("", "struct"), undefined);
  }
  assertEquals(btf.findAll("task", "struct"), [2, second]);
  assertEquals(btf.findAll("task", ["union", "struct"]), [2, second, union]);
  assertEquals(btf.candidates("task", "struct"), [2, 3, second]);
  assertEquals(btf.candidates("task___old", "struct"), [4]);
  assertEquals(btf.candidates("___x", "struct"), [5]);
  assertEquals(btf.candidates("a____b", "struct"), [6]);
  assertEquals(btf.candidates("a", "struct"), []);
  assertEquals(btf.candidates("", "struct"), []);
});

Deno.test("split BTF continues the ids and strings of its base", () => {
  const base = Btf.parse(section(kinds, ".BTF"), { name: "base" });
  const builder = new BtfBuilder({ base });
  const inner = base.find("inner", "struct") as number;
  const pointer = builder.addPointer(inner);
  const own = builder.addStruct("own", 8, [
    { name: "x", type: pointer, bitOffset: 0, bitSize: 0 },
  ]);
  const shadow = builder.addStruct("inner", 0, []);
  const bytes = builder.build();
  const split = Btf.parse(bytes, { base });
  assertEquals(split.firstId, base.endId);
  assertEquals(pointer, base.endId);
  assertEquals(split.find("own", "struct"), own);
  assertEquals(split.find("inner", "struct"), inner);
  for (let round = 0; round < 6; round++) {
    assertEquals(split.findOwn("inner", "struct"), shadow);
    assertEquals(split.findOwn("all", "struct"), undefined);
  }
  assertEquals(split.findAll("inner", "struct"), [inner, shadow]);
  assertEquals(split.candidates("inner", "struct"), [shadow]);
  assertEquals(split.kindName(inner), "struct");
  assertEquals(split.nameOf(inner), "inner");
  assertStrictEquals(split.type(inner), base.type(inner));
  assertEquals(split.size(own), 8);
  assertEquals(split.string(1), base.string(1));
  refuses(bytes, "the first name is not empty");
});

Deno.test("split BTF may take all its names from the base", () => {
  const base = Btf.parse(blob([1, INT, 4, 32], "\0int\0"));
  const split = Btf.parse(blob([1, INT, 8, 64], ""), { base });
  assertEquals(split.nameOf(2), "int");
  assertEquals(split.findOwn("int", "int"), 2);
  assertEquals(split.candidates("int", "int"), [2]);
  assertEquals(split.endString, base.endString);
});

Deno.test("Btf accepts a longer header", () => {
  const btf = Btf.parse(blob([1, INT, 4, 32], "\0int\0", { length: 64 }));
  assertEquals(btf.find("int", "int"), 1);
});

Deno.test("Btf reads the 24 bits of vlen", () => {
  const values = Array.from({ length: 70000 }, (_, index) => [1, index]).flat();
  const btf = Btf.parse(blob([1, 6 << 24 | 70000, 4, ...values], "\0int\0"));
  const type = btf.type(1);
  assert(type.kind === "enum");
  assertEquals(type.values.length, 70000);
  assertEquals(type.values[69999]?.value, 69999);
});

Deno.test("Btf skips unknown kinds with a layout section and refuses them without", () => {
  // Kind 21 has one word, and one for each of its two elements.
  const words = [1, 21 << 24 | 2, 0, 7, 8, 9, 1, INT, 4, 32];
  const layout = Array.from({ length: 22 }, (_, kind) => kind === 21 ? [4, 4, 0, 0] : [0, 0, 0, 0]);
  const btf = Btf.parse(blob(words, "\0int\0", { length: 32, layout: layout.flat() }));
  assertEquals(btf.kindName(1), "unknown");
  assertEquals(btf.type(1), { kind: "unknown", id: 1, name: "int", kindNumber: 21 });
  assertEquals(btf.find("int", "int"), 2);
  const rebuilt = Btf.parse(BtfBuilder.from(btf).build());
  assertEquals(rebuilt.kind(1), 21);
  refuses(blob(words, "\0int\0"), "of unknown kind 21");
});

Deno.test("Btf.parse refuses inconsistent headers", () => {
  const good = blob([1, INT, 4, 32], "\0int\0");
  const header = (at: number, value: number): Uint8Array => {
    const copy = good.slice();
    new DataView(copy.buffer).setUint32(at, value, true);
    return copy;
  };
  refuses(good.slice(0, 23), "the header ends after 23 of 24 bytes");
  refuses(header(0, 0x1234), "it starts with 0x1234");
  refuses(header(0, 0x0002_eb9f), "it is version 2");
  refuses(header(4, 8), "the header claims 8 of ");
  refuses(header(4, 1000), "the header claims 1000 of ");
  refuses(header(8, 2), "run into the names");
  refuses(header(12, 15), "not a multiple of 4");
  refuses(header(12, 0xffff_fff0), "run into the names");
  refuses(header(16, 0xffff_fff0), "the names take bytes");
  refuses(header(20, 0), "there are no names");
  refuses(header(20, 4), "the last name is not terminated");
  refuses(header(20, 0xffff_ffff), "the names take bytes");
});

Deno.test("Btf.parse refuses truncated types", () => {
  refuses(blob([1, INT, 4], "\0int\0"), "cut off");
  refuses(blob([1, INT], "\0int\0"), "cut off");
  refuses(blob([1, 4 << 24 | 0xffffff, 4, 1, 0, 0], "\0int\0"), "cut off");
  refuses(blob([1, 0, 0], "\0int\0"), "of unknown kind 0");
});

Deno.test("Btf.parse refuses a string offset past the end", () => {
  refuses(blob([9, INT, 4, 32], "\0int\0"), "has a name at 9, past the last one at 5");
  const trusted = Btf.parse(blob([9, INT, 4, 32], "\0int\0"), { trusted: true });
  assertThrows(() => trusted.type(1), BtfError);
  assertThrows(() => trusted.nameOf(1), BtfError);
  assertEquals(trusted.find("int", "int"), undefined);
  assertEquals(trusted.candidates("int", "int"), []);
});

Deno.test("Btf.parse refuses references to missing types", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, "signed");
  const proto = builder.addFunctionPrototype(int, [{ name: "a", type: int }]);
  builder.addFunction("f", proto, "global");
  const start = 4;
  const bytes = builder.build();
  refuses(patched(bytes, start + 2, 9), "type 2 (func_proto) refers to type 9");
  refuses(patched(bytes, start + 4, 9), "type 2 (func_proto) refers to type 9");
  refuses(patched(bytes, start + 5 + 2, int), "which is not a function prototype");
  refuses(patched(bytes, start + 5 + 1, 12 << 24 | 7), "has linkage 7");
});

Deno.test("Btf refuses types that refer to themselves without hanging", () => {
  // typedef 1 → 1; const 2 → 3 → 2; array 4 of 4; struct 5 with a member 5; array 6 of array 4.
  const btf = Btf.parse(blob([
    ...[1, 8 << 24, 1],
    ...[0, 10 << 24, 3],
    ...[0, 9 << 24, 2],
    ...[0, 3 << 24, 0, 4, 4, 2],
    ...[1, 4 << 24 | 1, 8, 1, 5, 0],
    ...[0, 3 << 24, 0, 4, 4, 0xffff_ffff],
  ], "\0int\0"));
  for (const id of [1, 2, 3]) {
    assertEquals(assertThrows(() => btf.resolve(id), BtfError).errno, "ELOOP");
  }
  for (const id of [1, 2, 3, 4, 6]) assertThrows(() => btf.size(id), BtfError);
  for (const id of [1, 2, 3, 4, 5, 6]) assertThrows(() => btf.alignment(id), BtfError);
  assertEquals(btf.size(5), 8);
});

Deno.test("Btf.type refuses ids out of range", () => {
  const btf = Btf.parse(blob([1, INT, 4, 32], "\0int\0"));
  for (const id of [-1, 2, 1.5, NaN, 2 ** 40]) {
    assertThrows(() => btf.type(id), BtfError);
    assertThrows(() => btf.kind(id), BtfError);
    assertThrows(() => btf.nameOf(id), BtfError);
  }
  assertEquals(btf.type(0), { kind: "void", id: 0, name: "" });
});
