import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Btf } from "../btf.ts";
import { BtfBuilder } from "../build/builder.ts";
import { BtfError } from "../error.ts";
import type { Member } from "../types.ts";
import { Codec, codecFor } from "./codec.ts";
import type { CodecOptions } from "./value.ts";

/** A BTF with the usual integers, and shorthands to add other types. */
class Types {
  readonly builder = new BtfBuilder();
  readonly u8 = this.builder.addInt("unsigned char", 1, "unsigned");
  readonly s8 = this.builder.addInt("signed char", 1, "signed");
  readonly char = this.builder.addInt("char", 1, "signed");
  readonly u16 = this.builder.addInt("unsigned short", 2, "unsigned");
  readonly u32 = this.builder.addInt("unsigned int", 4, "unsigned");
  readonly s32 = this.builder.addInt("int", 4, "signed");
  readonly u64 = this.builder.addInt("unsigned long", 8, "unsigned");
  readonly s64 = this.builder.addInt("long", 8, "signed");
  readonly u128 = this.builder.addInt("unsigned __int128", 16, "unsigned");
  readonly s128 = this.builder.addInt("__int128", 16, "signed");
  readonly bool = this.builder.addInt("_Bool", 1, "bool");
  readonly f32 = this.builder.addFloat("float", 4);
  readonly f64 = this.builder.addFloat("double", 8);

  array(type: number, length: number): number {
    return this.builder.addArray(type, this.u32, length);
  }

  struct(name: string, size: number, ...members: readonly Member[]): number {
    return this.builder.addStruct(name, size, members);
  }

  union(name: string, size: number, ...members: readonly Member[]): number {
    return this.builder.addUnion(name, size, members);
  }

  btf(bigEndian = false): Btf {
    const bytes = this.builder.build();
    return Btf.parse(bigEndian ? swapped(bytes) : bytes);
  }

  /** Both readers: generated and interpreted. */
  codecs(id: number, options: CodecOptions = {}, bigEndian = false): Codec[] {
    const btf = this.btf(bigEndian);
    return [true, false].map((generate) => new Codec(btf, id, { ...options, generate }));
  }
}

/** A member at a byte offset. */
function at(offset: number, name: string, type: number): Member {
  return { name, type, bitOffset: offset * 8, bitSize: 0 };
}

/** A bitfield at a bit offset. */
function bits(bitOffset: number, bitSize: number, name: string, type: number): Member {
  return { name, type, bitOffset, bitSize };
}

/** The same BTF in big-endian order: all of it is words except two bytes of the header and the strings. */
function swapped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const typesEnd = view.getUint32(4, true) + view.getUint32(8, true) + view.getUint32(12, true);
  view.setUint16(0, view.getUint16(0, true), false);
  for (let offset = 4; offset < typesEnd; offset += 4) {
    view.setUint32(offset, view.getUint32(offset, true), false);
  }
  return copy;
}

function viewOf(...bytes: readonly number[]): DataView {
  return new DataView(Uint8Array.from(bytes).buffer);
}

Deno.test("decode returns numbers up to four bytes and bigints beyond", () => {
  const t = new Types();
  const pointer = t.builder.addPointer(0);
  const id = t.struct(
    "all",
    64,
    at(0, "u8", t.u8),
    at(1, "s8", t.s8),
    at(2, "u16", t.u16),
    at(4, "s32", t.s32),
    at(8, "u64", t.u64),
    at(16, "s64", t.s64),
    at(24, "pointer", pointer),
    at(32, "s128", t.s128),
    at(48, "f32", t.f32),
    at(52, "yes", t.bool),
    at(56, "f64", t.f64),
  );
  const value = {
    u8: 255,
    s8: -1,
    u16: 65535,
    s32: -2147483648,
    u64: 0xffff_ffff_ffff_ffffn,
    s64: -(1n << 63n),
    pointer: 0xffff_8880_0000_1000n,
    s128: -(1n << 127n),
    f32: 1.5,
    yes: true,
    f64: Math.PI,
  };
  for (const bigEndian of [false, true]) {
    for (const codec of t.codecs(id, {}, bigEndian)) {
      assertEquals(codec.size, 64);
      assertEquals(codec.decodeBytes(codec.encodeBytes(value)), value);
    }
  }
});

Deno.test("bigints: when-needed returns safe integers as numbers", () => {
  const t = new Types();
  const id = t.array(t.s64, 3);
  for (const codec of t.codecs(id, { bigints: "when-needed" })) {
    const bytes = codec.encodeBytes([7, -(2 ** 53 - 1), 1n << 60n]);
    assertEquals(codec.decodeBytes(bytes), [7, -(2 ** 53 - 1), 1n << 60n]);
  }
});

Deno.test("char arrays decode to text up to their NUL, byte arrays to bytes", () => {
  const t = new Types();
  const id = t.struct(
    "event",
    24,
    at(0, "comm", t.array(t.char, 16)),
    at(16, "mac", t.array(t.u8, 8)),
  );
  for (const codec of t.codecs(id)) {
    for (
      const comm of [
        "",
        "sh",
        "bash",
        "kworker/u8:1",
        "sixteen bytes ok",
        "größe",
        "日本語",
        "a😀b",
      ]
    ) {
      const mac = Uint8Array.of(1, 2, 3, 0, 5, 6, 7, 255);
      assertEquals(codec.decodeBytes(codec.encodeBytes({ comm, mac })), { comm, mac });
    }
    const junk = new Uint8Array(24).fill(0x41, 3, 16);
    junk.set([0x68, 0x69]);
    assertEquals((codec.decodeBytes(junk) as { comm: string }).comm, "hi");
  }
});

Deno.test("a byte array is a copy that later writes do not change", () => {
  const t = new Types();
  for (const codec of t.codecs(t.array(t.u8, 2))) {
    const bytes = Uint8Array.of(1, 2);
    const value = codec.decodeBytes(bytes);
    bytes[0] = 9;
    assertEquals(value, Uint8Array.of(1, 2));
  }
});

Deno.test("enumerators decode to names, other values to numbers", () => {
  const t = new Types();
  const state = t.builder.addEnum("state", 4, [
    { name: "NEW", value: 0 },
    { name: "OLD", value: 1 },
    { name: "ALSO_OLD", value: 1 },
    { name: "GONE", value: -1 },
  ]);
  const wide = t.builder.addEnum64("wide", 8, [{ name: "TOP", value: 1n << 63n }]);
  const id = t.struct("s", 16, at(0, "state", state), at(8, "wide", wide));
  for (const codec of t.codecs(id)) {
    const decoded = (value: unknown) => codec.decodeBytes(codec.encodeBytes(value));
    assertEquals(decoded({ state: "ALSO_OLD", wide: "TOP" }), { state: "OLD", wide: "TOP" });
    assertEquals(decoded({ state: "GONE", wide: 5n }), { state: "GONE", wide: 5n });
    assertEquals(decoded({ state: 77, wide: 5 }), { state: 77, wide: 5n });
    assertThrows(
      () => codec.encodeBytes({ state: "YOUNG", wide: 0 }),
      BtfError,
      'encode s.state: EINVAL: expected a name of enum state (NEW, OLD, ALSO_OLD, GONE), got "YOUNG"',
    );
  }
});

Deno.test("bitfields are read and written in both byte orders without touching their neighbours", () => {
  const t = new Types();
  const kind = t.builder.addEnum("kind", 4, [{ name: "A", value: 0 }, { name: "B", value: 3 }]);
  const id = t.struct(
    "flags",
    24,
    bits(0, 1, "one", t.u32),
    bits(1, 3, "three", t.s32),
    bits(4, 13, "thirteen", t.u32),
    bits(17, 2, "kind", kind),
    bits(19, 1, "yes", t.bool),
    bits(23, 23, "across", t.u32),
    bits(64, 33, "wide", t.u64),
    bits(97, 31, "rest", t.s64),
    bits(128, 32, "full", t.u32),
    bits(167, 25, "odd", t.u32),
  );
  const value = {
    one: 1,
    three: -3,
    thirteen: 0x1abc,
    kind: "B",
    yes: true,
    across: 0x654321,
    wide: 0x1_2345_6789n,
    rest: -5n,
    full: 0xfedc_ba98,
    odd: 0x1555555,
  };
  for (const bigEndian of [false, true]) {
    for (const codec of t.codecs(id, {}, bigEndian)) {
      const bytes = codec.encodeBytes(value);
      assertEquals(codec.decodeBytes(bytes), value);
      const view = new DataView(bytes.buffer);
      codec.encode({ thirteen: 0 }, view, 0, { partial: true });
      assertEquals(codec.decodeBytes(bytes), { ...value, thirteen: 0 });
    }
  }
  assertEquals(
    t.codecs(id)[0]?.encodeBytes({ ...value, one: 1, three: 0, thirteen: 0 })[0],
    1,
    "the first bitfield is the lowest bit of a little-endian byte",
  );
  assertEquals(
    t.codecs(id, {}, true)[0]?.encodeBytes({ ...value, three: 0, thirteen: 0 })[0],
    0x80,
  );
});

Deno.test("bitfields from before kind_flag are read by the offset and width of their int", () => {
  const t = new Types();
  const int = t.builder.add({
    kind: "int",
    name: "int",
    size: 4,
    encoding: "unsigned",
    bits: 5,
    offset: 3,
  });
  const id = t.struct("old", 4, at(0, "five", int));
  for (const codec of t.codecs(id)) {
    assertEquals(codec.decode(viewOf(0b1010_1111, 0xff, 0, 0)), { five: 0b10101 });
  }
});

Deno.test("anonymous structs and unions are flattened into the struct around them", () => {
  const t = new Types();
  const inner = t.struct("", 8, at(0, "low", t.u32), at(4, "high", t.u32));
  const either = t.union("", 8, at(0, "whole", t.u64), at(0, "", inner));
  const id = t.struct("pair", 16, at(0, "tag", t.u32), at(8, "", either));
  for (const codec of t.codecs(id)) {
    const whole = codec.encodeBytes({ tag: 1, whole: 0x0000_0002_0000_0001n });
    const halves = codec.encodeBytes({ tag: 1, low: 1, high: 2 });
    assertEquals(whole, halves);
    const decoded = { tag: 1, whole: 0x0000_0002_0000_0001n, low: 1, high: 2 };
    assertEquals(codec.decodeBytes(whole), decoded);
    assertEquals(codec.encodeBytes(decoded), whole);
    assertThrows(
      () => codec.encodeBytes({ ...decoded, low: 9 }),
      BtfError,
      "members whole and low, high disagree; give one of them",
    );
    assertThrows(() => codec.encodeBytes({ tag: 1, low: 1 }), BtfError, "member high is missing");
    assertThrows(
      () => codec.encodeBytes({ tag: 1 }),
      BtfError,
      "one of the union's members is missing: whole or low, high",
    );
  }
});

Deno.test("a union decodes to all its members and encodes from any of them", () => {
  const t = new Types();
  const id = t.union("value", 8, at(0, "number", t.u32), at(0, "bytes", t.array(t.u8, 8)));
  for (const codec of t.codecs(id)) {
    const bytes = codec.encodeBytes({ bytes: Uint8Array.of(1, 0, 0, 0, 9, 9, 9, 9) });
    const decoded = codec.decodeBytes(bytes);
    assertEquals(decoded, { number: 1, bytes });
    assertEquals(codec.encodeBytes(decoded), bytes);
    assertEquals(codec.encodeBytes({ number: 1 }), Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
  }
});

Deno.test("arrays nest, and an array of the wrong length is refused by its path", () => {
  const t = new Types();
  const point = t.struct("point", 4, at(0, "x", t.u16), at(2, "y", t.u16));
  const id = t.struct(
    "grid",
    24,
    at(0, "points", t.array(point, 2)),
    at(8, "names", t.array(t.array(t.char, 4), 2)),
    at(16, "bools", t.array(t.bool, 2)),
    at(20, "small", t.array(t.s8, 2)),
  );
  const value = {
    points: [{ x: 1, y: 2 }, { x: 3, y: 4 }],
    names: ["ab", "full"],
    bools: [true, false],
    small: [-1, 1],
  };
  for (const codec of t.codecs(id)) {
    assertEquals(codec.decodeBytes(codec.encodeBytes(value)), value);
    assertThrows(
      () => codec.encodeBytes({ ...value, points: [{ x: 1, y: 2 }, { x: 3, y: 70000 }] }),
      BtfError,
      "encode grid.points[1].y: EINVAL: expected a whole number from 0 to 65535, got the number 70000",
    );
    assertThrows(
      () => codec.encodeBytes({ ...value, points: [] }),
      BtfError,
      "encode grid.points: EINVAL: expected 2 elements, got 0",
    );
  }
});

Deno.test("a flexible array has as many elements as the data", () => {
  const t = new Types();
  const id = t.struct("message", 4, at(0, "length", t.u32), at(4, "text", t.array(t.char, 0)));
  const words = t.struct("list", 4, at(0, "length", t.u32), at(4, "items", t.array(t.u16, 0)));
  for (const codec of t.codecs(id)) {
    assertEquals(codec.decode(viewOf(5, 0, 0, 0)), { length: 5, text: "" });
    assertEquals(codec.decodeBytes(Uint8Array.of(2, 0, 0, 0, 104, 105, 0, 0)), {
      length: 2,
      text: "hi",
    });
    assertEquals(
      codec.encodeBytes({ length: 2, text: "hi" }, 6),
      Uint8Array.of(2, 0, 0, 0, 104, 105),
    );
  }
  for (const codec of t.codecs(words)) {
    assertEquals(codec.decodeBytes(Uint8Array.of(2, 0, 0, 0, 1, 0, 2, 0, 9)), {
      length: 2,
      items: [1, 2],
    });
  }
});

Deno.test("a data section decodes to an object of its variables", () => {
  const t = new Types();
  const inner = t.builder.add({ kind: "var", name: "pid", type: t.u32, linkage: "global" });
  const name = t.builder.add({
    kind: "var",
    name: "name",
    type: t.builder.addConst(t.builder.addVolatile(t.array(t.char, 4))),
    linkage: "global",
  });
  const id = t.builder.add({
    kind: "datasec",
    name: ".rodata",
    size: 8,
    variables: [{ type: inner, offset: 0, size: 4 }, { type: name, offset: 4, size: 4 }],
  });
  for (const codec of t.codecs(id)) {
    assertEquals(codec.decode(viewOf(7, 0, 0, 0, 97, 98, 0, 0)), { pid: 7, name: "ab" });
  }
});

Deno.test("names from a file are data: __proto__, quotes and line separators are harmless", () => {
  const t = new Types();
  const names = ["__proto__", "constructor", '"]; throw 1; //', "a\u2028b", "\\", "${x}", "`"];
  const id = t.struct("hostile", 28, ...names.map((name, index) => at(index * 4, name, t.u32)));
  for (const codec of t.codecs(id)) {
    const bytes = new Uint8Array(28);
    for (let index = 0; index < 7; index++) bytes[index * 4] = index + 1;
    const value = codec.decodeBytes(bytes) as object;
    assertEquals(
      Object.entries(value),
      names.map((name, index): [string, number] => [name, index + 1]),
    );
    assertStrictEquals(Object.getPrototypeOf(value), Object.prototype);
    assertEquals(codec.encodeBytes(value), bytes);
    assertThrows(() => codec.encodeBytes({}), BtfError, "member __proto__ is missing");
    const view = new DataView(bytes.slice().buffer);
    codec.encode({}, view, 0, { partial: true });
    assertEquals<unknown>(codec.decode(view), value);
  }
});

Deno.test("encode errors name the member, the expected and the given value", () => {
  const t = new Types();
  const id = t.struct(
    "event",
    32,
    at(0, "pid", t.u32),
    at(4, "yes", t.bool),
    at(8, "time", t.u64),
    at(16, "comm", t.array(t.char, 16)),
  );
  const good = { pid: 1, yes: true, time: 1n, comm: "sh" };
  const codec = codecFor(t.btf(), id);
  const refused: readonly [unknown, string][] = [
    [
      { ...good, comm: 7 },
      "encode event.comm: EINVAL: expected text of at most 16 bytes, got the number 7",
    ],
    [{ ...good, comm: "x".repeat(17) }, "expected text of at most 16 bytes, got 17"],
    [{ ...good, comm: "a\0b" }, "expected text without NUL"],
    [
      { ...good, pid: -1 },
      "encode event.pid: EINVAL: expected a whole number from 0 to 4294967295, got the number -1",
    ],
    [{ ...good, pid: 1.5 }, "got the number 1.5"],
    [{ ...good, pid: NaN }, "got the number NaN"],
    [{ ...good, pid: "1" }, 'got the text "1"'],
    [{ ...good, pid: undefined }, "got nothing"],
    [{ ...good, time: 2 ** 53 }, "expected a whole number from 0 to 18446744073709551615"],
    [{ ...good, time: -1n }, "got the number -1"],
    [{ ...good, yes: 2 }, "expected true or false, got the number 2"],
    [
      { ...good, pad: 1 },
      'encode event: EINVAL: event has no member "pad"; it has pid, yes, time, comm',
    ],
    [{ pid: 1, yes: true, time: 1n }, "encode event: EINVAL: member comm is missing"],
    [null, "expected an object with the members of event, got null"],
    [[1], "got an array of 1"],
    [new Uint8Array(4), "got 4 bytes"],
  ];
  for (const [value, message] of refused) {
    assertThrows(() => codec.encodeBytes(value), BtfError, message);
  }
  assertThrows(
    () => codec.encode(good, new DataView(new ArrayBuffer(31))),
    BtfError,
    "there is room for 31 bytes, the type takes 32",
  );
});

Deno.test("partial encoding leaves missing members unchanged", () => {
  const t = new Types();
  const id = t.struct("pair", 8, at(0, "a", t.u32), at(4, "b", t.array(t.u16, 2)));
  const codec = codecFor(t.btf(), id);
  const view = viewOf(1, 1, 1, 1, 2, 2, 3, 3);
  codec.encode({ b: [0] }, view, 0, { partial: true });
  assertEquals(codec.decode(view), { a: 0x01010101, b: [0, 0x0303] });
});

Deno.test("decode refuses data that is shorter than the type", () => {
  const t = new Types();
  const id = t.struct("event", 8, at(0, "a", t.u64));
  const codec = codecFor(t.btf(), id);
  assertThrows(
    () => codec.decodeBytes(new Uint8Array(5)),
    BtfError,
    "decode event: EINVAL: the data has 5 bytes, the type takes 8",
  );
  assertThrows(() => codec.decode(viewOf(0, 0, 0, 0, 0, 0, 0, 0), 1), BtfError, "has 7 bytes");
});

Deno.test("types without values are refused, pointers to them are not", () => {
  const t = new Types();
  const fwd = t.builder.addForward("hidden", "struct");
  const bad = t.struct("bad", 8, at(0, "x", fwd));
  const good = t.struct("good", 8, at(0, "x", t.builder.addPointer(fwd)));
  const btf = t.btf();
  assertThrows(() => codecFor(btf, bad), BtfError, "make a codec for fwd hidden");
  assertThrows(() => codecFor(btf, 0), BtfError);
  assertEquals(codecFor(btf, good).describe(), "{ x: bigint }");
});

Deno.test("hostile types end in an error: cycles, countless overlaps, members past the end", () => {
  const t = new Types();
  const self = t.builder.endId;
  t.struct("self", 8, at(0, "self", self));
  const over = t.struct("over", 4, at(4, "x", t.u32));
  const overBits = t.struct("over_bits", 4, bits(20, 13, "x", t.u32));
  let twice = t.struct("leaf", 1, at(0, "x", t.u8));
  for (let level = 0; level < 30; level++) {
    twice = t.struct(`twice${level}`, 1, at(0, "a", twice), at(0, "b", twice));
  }
  let anonymous = t.struct("", 1, at(0, "x", t.u8));
  for (let level = 0; level < 30; level++) {
    anonymous = t.struct("", 1, at(0, "", anonymous), at(0, "", anonymous));
  }
  const huge = t.array(t.struct("empty", 0), 0xffff_ffff);
  const btf = t.btf();
  for (const id of [self, over, overBits, twice, anonymous, huge]) {
    assertThrows(() => codecFor(btf, id), BtfError, "make a codec for");
  }
});

Deno.test("codecFor caches one codec per type and options", () => {
  const t = new Types();
  const btf = t.btf();
  assertStrictEquals(codecFor(btf, t.u64), codecFor(btf, t.u64));
  assertEquals(codecFor(btf, t.u64).describe(), "bigint");
  assertEquals(codecFor(btf, t.u64, { bigints: "when-needed" }).describe(), "number | bigint");
});

Deno.test("describe returns the TypeScript type", () => {
  const t = new Types();
  const state = t.builder.addEnum("state", 4, [{ name: "NEW", value: 0 }]);
  const id = t.struct(
    "event",
    32,
    at(0, "pid", t.u32),
    at(4, "state", state),
    at(8, "comm", t.array(t.char, 8)),
    at(16, "raw", t.array(t.u8, 4)),
    at(20, "ports", t.array(t.u16, 2)),
    at(24, "time", t.u64),
  );
  assertEquals(
    codecFor(t.btf(), id).describe(),
    '{ pid: number; state: "NEW" | number; comm: string; raw: Uint8Array; ports: number[]; time: bigint }',
  );
});

Deno.test("reading falls back to closures where code from strings is forbidden", () => {
  const t = new Types();
  const btf = t.btf();
  const real = globalThis.Function;
  try {
    globalThis.Function = class {
      constructor() {
        throw new EvalError("Code generation from strings disallowed for this context");
      }
    } as unknown as FunctionConstructor;
    assertEquals(new Codec(btf, t.u16, {}).decode(viewOf(1, 2)), 0x0201);
  } finally {
    globalThis.Function = real;
  }
});
