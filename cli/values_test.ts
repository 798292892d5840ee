import { assertEquals, assertThrows } from "@std/assert";
import { stringify } from "./json.ts";
import { cell, parseVariable } from "./values.ts";

Deno.test("parseVariable() reads numbers, booleans, JSON and text", () => {
  const value = (text: string): unknown => parseVariable(`x=${text}`).value;
  assertEquals(value("7"), 7);
  assertEquals(value("-7"), -7);
  assertEquals(value("0x10"), 16);
  assertEquals(value("-0x10"), -16);
  assertEquals(value("true"), true);
  assertEquals(value("[1,2]"), [1, 2]);
  assertEquals(value("eth0"), "eth0");
  assertEquals(value(""), "");
  assertEquals(value("a=b"), "a=b");
});

Deno.test("parseVariable() keeps all digits of a 64-bit number", () => {
  assertEquals(parseVariable("x=18446744073709551615").value, 18446744073709551615n);
});

Deno.test("parseVariable() refuses an assignment without a name or a value", () => {
  assertThrows(() => parseVariable("x"), Error, "--var x has no value");
  assertThrows(() => parseVariable("=1"), Error, "has no name");
});

Deno.test("cell() shows each kind of value in one line", () => {
  assertEquals(cell("text"), "text");
  assertEquals(cell(7n), "7");
  assertEquals(cell(new Uint8Array([1, 255])), "01ff");
  assertEquals(cell({ a: 1n, b: [2] }), '{"a":1,"b":[2]}');
});

Deno.test("stringify() writes a bigint as a number only where that loses nothing", () => {
  assertEquals(stringify({ a: 5n, b: 2n ** 63n }), '{"a":5,"b":"9223372036854775808"}');
  assertEquals(stringify(new Uint8Array([1, 2])), "[1,2]");
});

Deno.test("stringify() tells numbers that JSON does not have by name", () => {
  assertEquals(stringify([NaN, -Infinity, 1.5]), '["NaN","-Infinity",1.5]');
});
