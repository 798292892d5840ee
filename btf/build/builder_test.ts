import { assert, assertEquals, assertThrows } from "@std/assert";
import kinds from "../../tests/fixtures/kinds.bpf.o" with { type: "bytes" };
import { ElfFile } from "../../elf/mod.ts";
import { Btf } from "../btf.ts";
import { BtfBuilder } from "./builder.ts";
import { cutBtf } from "./extract.ts";
import { BtfError } from "../error.ts";
import type { BtfType } from "../types.ts";

function fixture(): Btf {
  const section = ElfFile.parse(kinds).section(".BTF");
  assert(section !== undefined);
  return Btf.parse(section.data);
}

function all(btf: Btf): BtfType[] {
  return Array.from({ length: btf.endId }, (_, id) => btf.type(id));
}

Deno.test("BtfBuilder adds every kind, and both byte orders read the same", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, "signed");
  builder.addFloat("double", 8);
  const pointer = builder.addPointer(0);
  builder.addTypedef("number", int);
  builder.addConst(int);
  builder.addVolatile(int);
  builder.addRestrict(pointer);
  builder.addTypeTag("user", int);
  builder.addArray(int, int, 7);
  const struct = builder.addStruct("s", 4, [
    { name: "a", type: int, bitOffset: 0, bitSize: 3 },
    { name: "b", type: int, bitOffset: 3, bitSize: 0 },
  ]);
  builder.addUnion("u", 4, [{ name: "a", type: int, bitOffset: 0, bitSize: 0 }]);
  builder.addEnum("e", 4, [{ name: "A", value: -1 }, { name: "B", value: 2 }]);
  builder.addEnum64("w", 8, [{ name: "C", value: -5n }, { name: "D", value: 1n << 62n }]);
  builder.addForward("f", "union");
  const proto = builder.addFunctionPrototype(int, [{ name: "x", type: pointer }]);
  const func = builder.addFunction("g", proto, "extern");
  const variable = builder.addVariable("v", int, "global");
  builder.addDataSection(".data", 4, [{ type: variable, offset: 0, size: 4 }]);
  builder.addDeclTag("tag", func, 0);
  builder.addDeclTag("whole", struct);
  builder.add({
    kind: "decl_tag",
    name: "plain",
    type: struct,
    componentIndex: -1,
    attribute: true,
  });
  const little = Btf.parse(builder.build());
  const big = Btf.parse(builder.build({ littleEndian: false }));
  assertEquals(all(big), all(little));
  assertEquals(new Set(all(little).map(({ kind }) => kind)).size, 20);
  assertEquals(little.type(struct), {
    kind: "struct",
    id: struct,
    name: "s",
    size: 4,
    members: [
      { name: "a", type: int, bitOffset: 0, bitSize: 3 },
      { name: "b", type: int, bitOffset: 3, bitSize: 0 },
    ],
  });
  const wide = little.type(little.find("w", "enum64") as number);
  assert(wide.kind === "enum64");
  assertEquals(wide.values.map(({ value }) => value), [-5n, 1n << 62n]);
  const tags = all(little).filter((type) => type.kind === "decl_tag");
  assertEquals(tags.map((tag) => [tag.componentIndex, tag.attribute ?? false]), [
    [0, false],
    [-1, false],
    [-1, true],
  ]);
  const again = Btf.parse(
    all(little).slice(1).reduce((copy, type) => {
      if (type.kind !== "unknown") copy.add(type);
      return copy;
    }, new BtfBuilder()).build(),
  );
  assertEquals(all(again), all(little));
});

Deno.test("BtfBuilder.from returns the same bytes when nothing is changed", () => {
  const btf = fixture();
  assertEquals(BtfBuilder.from(btf).build(), btf.bytes.slice());
});

Deno.test("BtfBuilder changes types in place and keeps every id", () => {
  const btf = fixture();
  const builder = BtfBuilder.from(btf);
  const helper = btf.find("helper", "func") as number;
  const counter = btf.find("counter", "var") as number;
  const data = btf.find(".data", "datasec") as number;
  const color = btf.find("color", "enum") as number;
  const own = btf.type(data);
  assert(own.kind === "datasec");
  builder.setFunctionLinkage(helper, "static");
  builder.setVariable(counter, { linkage: "extern" });
  builder.setDataSection(data, 4, own.variables.map((one) => ({ ...one, offset: 0, size: 4 })));
  builder.rename(color, "colour");
  const changed = Btf.parse(builder.build());
  assertEquals(changed.endId, btf.endId);
  const expected = all(btf).map((type): BtfType => {
    if (type.kind === "func" && type.id === helper) return { ...type, linkage: "static" };
    if (type.kind === "var" && type.id === counter) return { ...type, linkage: "extern" };
    if (type.kind === "enum" && type.id === color) return { ...type, name: "colour" };
    if (type.kind === "datasec" && type.id === data) {
      return {
        ...type,
        size: 4,
        variables: type.variables.map((one) => ({ ...one, offset: 0, size: 4 })),
      };
    }
    return type;
  });
  assertEquals(all(changed), expected);
  assertEquals(all(btf)[helper]?.kind, "func");
});

Deno.test("BtfBuilder.replace accepts a type of another length", () => {
  const btf = fixture();
  const builder = BtfBuilder.from(btf);
  const all_ = btf.find("all", "struct") as number;
  const inner = btf.find("inner", "struct") as number;
  builder.replace(all_, { kind: "struct", name: "all", size: 1, members: [] });
  builder.replace(inner, { kind: "fwd", name: "inner", of: "struct" });
  const added = builder.addPointer(inner);
  builder.replace(added, { kind: "typedef", name: "added", type: inner });
  builder.rename(all_, "nothing");
  const changed = Btf.parse(builder.build());
  assertEquals(changed.type(all_), {
    kind: "struct",
    id: all_,
    name: "nothing",
    size: 1,
    members: [],
  });
  assertEquals(changed.type(inner), { kind: "fwd", id: inner, name: "inner", of: "struct" });
  assertEquals(changed.type(added), { kind: "typedef", id: added, name: "added", type: inner });
  for (let id = 0; id < btf.endId; id++) {
    if (id !== all_ && id !== inner) assertEquals(changed.type(id), btf.type(id));
  }
});

Deno.test("BtfBuilder adds a string once", () => {
  const builder = BtfBuilder.from(fixture());
  const known = builder.addString("helper");
  assertEquals(builder.addString("helper"), known);
  assertEquals(fixture().string(known), "helper");
  const fresh = builder.addString("größer");
  assertEquals(builder.addString("größer"), fresh);
  assertEquals(Btf.parse(builder.build()).string(fresh), "größer");
  assertEquals(builder.addString(""), 0);
});

Deno.test("BtfBuilder refuses what BTF cannot hold", () => {
  const builder = new BtfBuilder();
  const member = { name: "a", type: 1, bitOffset: 1 << 24, bitSize: 1 };
  assertThrows(() => builder.addStruct("s", 4, [member]), BtfError);
  assertThrows(() => builder.addInt("i", -1, "signed"), BtfError);
  assertThrows(() => builder.addInt("i", 64, "signed"), BtfError);
  assertThrows(() => builder.addEnum("e", 4, [{ name: "A", value: 1n << 40n }]), BtfError);
  assertThrows(() => builder.addString("a\0b"), BtfError);
  assertThrows(() => builder.rename(1, "x"), BtfError);
  const int = builder.addInt("int", 4, "signed");
  assertThrows(() => builder.setFunctionLinkage(int, "static"), BtfError);
});

Deno.test("cutBtf keeps the types that its roots refer to and no others", () => {
  const btf = fixture();
  const root = btf.find("node", "struct") as number;
  const { bytes, ids } = cutBtf(btf, [root]);
  const cut = Btf.parse(bytes);
  const node = cut.type(ids.get(root) as number);
  assert(node.kind === "struct");
  assertEquals(node.members.map(({ name }) => name), ["next", "previous", "watched", "alone"]);
  assertEquals(cut.resolve(node.members[0]?.type as number) > 0, true);
  const pointer = cut.type(node.members[0]?.type as number);
  assert(pointer.kind === "ptr");
  assertEquals(pointer.type, node.id);
  assertEquals(cut.find("all", "struct"), undefined);
  assertEquals(cut.endId, ids.size);
  assertThrows(() => cutBtf(btf, [btf.endId]), BtfError);
});

Deno.test("cutBtf merges split BTF with its base", () => {
  const base = fixture();
  const builder = new BtfBuilder({ base });
  const pointer = builder.addPointer(base.find("inner", "struct") as number);
  const own = builder.addTypedef("inner_pointer", pointer);
  const split = Btf.parse(builder.build(), { base });
  const { bytes, ids } = cutBtf(split, [own]);
  const cut = Btf.parse(bytes);
  assertEquals(cut.nameOf(ids.get(own) as number), "inner_pointer");
  assertEquals(cut.size(cut.find("inner", "struct") as number), 8);
});
