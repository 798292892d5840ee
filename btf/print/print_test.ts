import { assert, assertEquals, assertThrows } from "@std/assert";
import kinds from "../../tests/fixtures/kinds.bpf.o" with { type: "bytes" };
import { ElfFile } from "../../elf/mod.ts";
import { Btf } from "../btf.ts";
import { BtfBuilder } from "../build/builder.ts";
import { BtfError } from "../error.ts";
import { toJson } from "./json.ts";
import { printAllC, printC } from "./c.ts";
import { printTypeScript } from "./typescript.ts";
import type { Member } from "../types.ts";

function fixture(): Btf {
  const section = ElfFile.parse(kinds).section(".BTF");
  assert(section !== undefined);
  return Btf.parse(section.data);
}

function member(name: string, type: number, bitOffset: number, bitSize: number = 0): Member {
  return { name, type, bitOffset, bitSize };
}

Deno.test("printC gives a struct the holes, packing and bitfields that its BTF has", () => {
  const btf = fixture();
  assertEquals(
    printC(btf, [btf.find("bits", "struct") as number, btf.find("packed_one", "struct") as number]),
    `typedef unsigned long long __u64;

struct bits {
	unsigned int a: 3;
	unsigned int b: 5;
	int c: 20;
	long: 36;
	__u64 d: 40;
	_Bool e: 1;
};

struct packed_one {
	char a;
	int b;
	short c;
} __attribute__((packed));
`,
  );
});

Deno.test("printC declares before it defines, and nests anonymous types", () => {
  const btf = fixture();
  const text = printC(btf, btf.find("all", "struct") as number);
  const order = [
    "struct inner {",
    "enum color {",
    "struct forward;",
    "struct node {",
    "struct all {",
  ];
  assertEquals(
    order.map((line) => text.indexOf(line)).every((at, index, all) =>
      at >= 0 && (index === 0 || at > (all[index - 1] ?? 0))
    ),
    true,
  );
  assert(text.includes("typedef number_t (*callback_t)(struct forward *, const char *, ...);"));
  assert(text.includes("\tstruct {\n\t\tint hidden;\n\t\tunion {\n\t\t\t__u64 wide;\n"));
  assert(text.includes("\tvolatile int * const watched;"));
  assert(text.includes("\tint matrix[3][4];"));
  assert(text.includes("\tconst char *names[2];"));
});

Deno.test("printC prints a function's prototype", () => {
  const btf = fixture();
  const text = printC(btf, btf.find("helper", "func") as number);
  assert(text.endsWith("int helper(struct inner *inner);\n"), text);
});

Deno.test("printC gives types of one name different names", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, "signed");
  const one = builder.addStruct("s", 4, [member("a", int, 0)]);
  const two = builder.addStruct("s", 4, [member("b", int, 0)]);
  builder.addStruct("both", 8, [member("one", one, 0), member("two", two, 32)]);
  const text = printAllC(Btf.parse(builder.build()), { guard: "__X_H__" });
  assert(text.includes("struct both {\n\tstruct s one;\n\tstruct s___2 two;\n};"));
  assert(text.startsWith("#ifndef __X_H__\n#define __X_H__\n"));
  assert(text.includes("preserve_access_index"));
});

Deno.test("printC writes pointers to arrays and functions, and types with other names in C", () => {
  const builder = new BtfBuilder();
  const byte = builder.addInt("u8", 1, "unsigned");
  const array = builder.addArray(byte, byte, 3);
  const proto = builder.addFunctionPrototype(0, [{ name: "x", type: byte }]);
  const inner = builder.addPointer(proto);
  const outer = builder.addFunctionPrototype(inner, []);
  const tag = builder.addTypeTag('us"er', byte);
  const id = builder.addStruct("s", 32, [
    member("a", builder.addPointer(array), 0),
    member("b", builder.addArray(inner, byte, 2), 64),
    member("c", builder.addPointer(outer), 192),
  ]);
  builder.addTypedef("tagged", builder.addPointer(tag));
  const btf = Btf.parse(builder.build());
  const text = printC(btf, [id, btf.find("tagged", "typedef") as number]);
  assert(text.includes("typedef unsigned char u8;"));
  assert(
    text.includes("\tu8 (*a)[3];\n\tvoid (*b[2])(u8 x);\n\tvoid (*(*c)(void))(u8 x);\n"),
    text,
  );
  assert(text.includes('typedef __attribute__((btf_type_tag("us\\"er"))) u8 *tagged;'), text);
});

Deno.test("printC keeps hostile names within the declaration", () => {
  const builder = new BtfBuilder();
  const id = builder.addStruct("x; int y", 0, []);
  assertEquals(printC(Btf.parse(builder.build()), id), "struct x_x3b__x20_int_x20_y {};\n");
});

Deno.test("printC fills a huge hole with one array", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, "signed");
  const id = builder.addStruct("s", 0xffff_fff0, [member("a", int, 0)]);
  assertEquals(
    printC(Btf.parse(builder.build()), id),
    "struct s {\n\tint a;\n\tchar __padding_1[4294967276];\n};\n",
  );
});

Deno.test("printers refuse types that contain themselves or expand endlessly", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, "signed");
  const self = builder.endId;
  builder.addStruct("", 4, [member("a", self, 0)]);
  let last = builder.addStruct("", 4, [member("a", int, 0)]);
  for (let depth = 0; depth < 40; depth++) {
    last = builder.addStruct("", 4, [member("a", last, 0), member("b", last, 0)]);
  }
  const holder = builder.addStruct("holder", 4, [member("x", last, 0)]);
  const loop = builder.addStruct("loop", 4, [member("x", self, 0)]);
  const btf = Btf.parse(builder.build());
  for (const id of [holder, loop]) {
    assertThrows(() => printC(btf, id), BtfError);
    assertThrows(() => printTypeScript(btf, id), BtfError);
  }
});

Deno.test("printTypeScript prints the types of decoded values", () => {
  const btf = fixture();
  assertEquals(
    printTypeScript(btf, btf.find("choice", "union") as number),
    `/** \`union choice\`, 16 bytes. */
export interface Choice {
  number: number;
  text: string;
  low: number;
  high: number;
}
`,
  );
  const text = printTypeScript(btf, btf.find("all", "struct") as number);
  assert(text.includes('export type Color = "RED" | "GREEN" | "BLUE" | number;'));
  assert(text.includes('export type Big = "SMALL" | "HUGE" | bigint;'));
  assert(text.includes("  matrix: number[][];\n  bits: Bits;\n"));
  assert(text.includes("  d: bigint;\n  e: boolean;\n"));
});

Deno.test("printTypeScript gives an anonymous struct the name of its typedef", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, "signed");
  const struct = builder.addStruct("", 4, [member("a b", int, 0)]);
  const id = builder.addTypedef("my_event_t", struct);
  assertEquals(
    printTypeScript(Btf.parse(builder.build()), id),
    '/** `struct`, 4 bytes. */\nexport interface MyEventT {\n  "a b": number;\n}\n',
  );
});

Deno.test("toJson is plain JSON for every type", () => {
  const btf = fixture();
  for (let id = 0; id < btf.endId; id++) {
    const json = toJson(btf, id);
    assertEquals(JSON.parse(JSON.stringify(json)), json);
    assertEquals(json["kind"], btf.kindName(id));
  }
  const big = toJson(btf, btf.find("big", "enum64") as number);
  assertEquals(big["values"], [
    { name: "SMALL", value: 1 },
    { name: "HUGE", value: "1311768467463790320" },
  ]);
});
