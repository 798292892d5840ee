import { assertEquals, assertThrows } from "@std/assert";
import { SkepError } from "../errors/skep_error.ts";
import { descriptorNumber, limitOf, ownBytes, wholeNumber } from "./arguments.ts";

Deno.test("wholeNumber() returns numbers in range and refuses the others by name", () => {
  for (const value of [0, 1, 4096, 2 ** 32 - 1]) assertEquals(wholeNumber(value, "it"), value);
  const wrong = [-1, 0.5, NaN, Infinity, 2 ** 32, 2 ** 53, 4096 - 2 ** 32, -0.1];
  for (const value of wrong) {
    const error = assertThrows(
      () => wholeNumber(value, "the size of it"),
      SkepError,
      `not ${value}`,
    );
    assertEquals([error.errno, error.subject], ["EINVAL", "the size of it"]);
  }
  for (const value of ["4", 4n, null, undefined, {}]) {
    assertThrows(() => wholeNumber(value as number, "it"), SkepError, "whole number");
  }
  assertEquals(wholeNumber(3, "it", 3, 4), 3);
  assertThrows(() => wholeNumber(2, "it", 3, 4), SkepError, "from 3 to 4");
});

Deno.test("limitOf() accepts Infinity and refuses what is no number", () => {
  assertEquals(limitOf(Infinity, "it"), Infinity);
  assertEquals(limitOf(0, "it"), 0);
  for (const value of [NaN, -Infinity, -1, 1.5]) {
    assertThrows(() => limitOf(value, "it"), SkepError);
  }
});

Deno.test("ownBytes() refuses shared, resizable and detached buffers", () => {
  const bytes = new Uint8Array([1, 2]);
  assertEquals(ownBytes(bytes, "it"), bytes);
  assertEquals(ownBytes(new Uint8Array(0), "it").length, 0);
  const shared = new Uint8Array(new SharedArrayBuffer(8));
  assertThrows(() => ownBytes(shared, "it"), SkepError, "shared with other threads");
  const resizable = new Uint8Array(new ArrayBuffer(8, { maxByteLength: 16 }));
  assertThrows(() => ownBytes(resizable, "it"), SkepError, "resizable");
  const detached = new Uint8Array(8);
  detached.buffer.transfer();
  assertThrows(() => ownBytes(detached, "it"), SkepError, "detached");
  assertThrows(() => ownBytes([1] as unknown as Uint8Array, "it"), SkepError, "Uint8Array");
});

Deno.test("descriptorNumber() refuses numbers that would be truncated to another descriptor's", () => {
  for (const fd of [-1, 0, 3, 2 ** 31 - 1]) assertEquals(descriptorNumber(fd), fd);
  for (const fd of [2 ** 32, 2 ** 32 + 3, -2, -(2 ** 31), 0.5, NaN, undefined, null, "3", {}]) {
    assertThrows(() => descriptorNumber(fd as number), SkepError, "a descriptor");
  }
});
