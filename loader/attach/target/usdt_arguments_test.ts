import { assertEquals, assertThrows } from "@std/assert";
import { encodeUsdtSpec, parseUsdtArguments, type UsdtArgument } from "./usdt_arguments.ts";

function place(text: string, machine = "x86_64"): UsdtArgument["place"] | undefined {
  return parseUsdtArguments(text, machine)[0]?.place;
}

Deno.test("parseUsdtArguments parses every x86-64 syntax", () => {
  assertEquals(parseUsdtArguments("-4@%edi 8@%rsi", "x86_64"), [
    { size: 4, signed: true, place: { kind: "register", register: 112 } },
    { size: 8, signed: false, place: { kind: "register", register: 104 } },
  ]);
  assertEquals(place("1@%al"), { kind: "register", register: 80 });
  assertEquals(place("-4@$-9"), { kind: "constant", value: -9n });
  assertEquals(place("8@$0x10"), { kind: "constant", value: 16n });
  assertEquals(place("-4@-1204(%rbp)"), { kind: "memory", register: 32, offset: -1204n });
  assertEquals(place("8@(%rsp)"), { kind: "memory", register: 152, offset: 0n });
  assertEquals(place("-1@-96(%rbp,%rax,8)"), {
    kind: "indexed",
    register: 32,
    index: 80,
    scale: 8,
    offset: -96n,
  });
  assertEquals(place("2@(%r15,%r9)"), {
    kind: "indexed",
    register: 0,
    index: 64,
    scale: 1,
    offset: 0n,
  });
});

Deno.test("parseUsdtArguments parses every aarch64 syntax", () => {
  assertEquals(parseUsdtArguments("-4@[sp, 96] 8@x1 -4@3 8@[x0] 4@w2", "aarch64"), [
    { size: 4, signed: true, place: { kind: "memory", register: 248, offset: 96n } },
    { size: 8, signed: false, place: { kind: "register", register: 8 } },
    { size: 4, signed: true, place: { kind: "constant", value: 3n } },
    { size: 8, signed: false, place: { kind: "memory", register: 0, offset: 0n } },
    { size: 4, signed: false, place: { kind: "register", register: 16 } },
  ]);
});

Deno.test("parseUsdtArguments returns an empty array for a probe without arguments", () => {
  assertEquals(parseUsdtArguments("", "x86_64"), []);
});

for (
  const text of ["3@%eax", "8@%nosuch", "8@", "8@foo(%rip)x", "eight", "8@(%rax,%nosuch)", "8@$"]
) {
  Deno.test(`parseUsdtArguments refuses "${text}"`, () => {
    assertThrows(() => parseUsdtArguments(text, "x86_64"), SyntaxError);
  });
}

Deno.test("parseUsdtArguments refuses a thirteenth argument", () => {
  assertThrows(() => parseUsdtArguments("8@%rax ".repeat(13), "x86_64"), SyntaxError, "12 are");
});

Deno.test("encodeUsdtSpec encodes the layout of libbpf before 1.7", () => {
  const bytes = encodeUsdtSpec(parseUsdtArguments("-4@-8(%rbp)", "x86_64"), 5n, 208);
  const view = new DataView(bytes.buffer);
  assertEquals(bytes.length, 208);
  assertEquals(view.getBigInt64(0, true), -8n);
  assertEquals(view.getUint32(8, true), 2);
  assertEquals(view.getInt16(12, true), 32);
  assertEquals([view.getUint8(14), view.getUint8(15)], [1, 32]);
  assertEquals(view.getBigUint64(192, true), 5n);
  assertEquals(view.getInt16(200, true), 1);
});

Deno.test("encodeUsdtSpec encodes the layout of libbpf 1.7, which supports indexed places", () => {
  const indexed = parseUsdtArguments("8@4(%rbp,%rcx,4)", "x86_64");
  const bytes = encodeUsdtSpec(indexed, 5n, 304);
  const view = new DataView(bytes.buffer);
  assertEquals(view.getBigInt64(0, true), 4n);
  assertEquals(view.getUint8(8), 3);
  assertEquals(view.getUint16(10, true), 88 | 2 << 12);
  assertEquals(view.getInt16(14, true), 32);
  assertEquals([view.getUint8(16), view.getUint8(17)], [0, 0]);
  assertEquals(view.getBigUint64(288, true), 5n);
  assertEquals(view.getInt16(296, true), 1);
  assertThrows(() => encodeUsdtSpec(indexed, 5n, 208), SyntaxError, "before 1.7");
});
