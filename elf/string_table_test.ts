import { assertEquals } from "@std/assert";
import { StringTable } from "./string_table.ts";

const encoder = new TextEncoder();

for (const [what, padding] of [["small", 0], ["big", 1 << 19]] as const) {
  const bytes = new Uint8Array(20 + 60 + padding);
  bytes.set(encoder.encode("\0abc\0größe\0"));
  bytes.set(encoder.encode("x".repeat(60)), 20);
  const table = new StringTable(bytes);
  Deno.test(`StringTable reads names of a ${what} table`, () => {
    assertEquals(table.at(0), "");
    assertEquals(table.at(1), "abc");
    assertEquals(table.at(3), "c");
    assertEquals(table.at(5), "größe");
    assertEquals(table.at(-1), undefined);
    assertEquals(table.at(bytes.length), undefined);
    assertEquals(table.terminated, padding > 0);
    assertEquals(table.at(20), padding > 0 ? "x".repeat(60) : undefined);
  });
}

Deno.test("StringTable reads names of a small ASCII table by slicing", () => {
  const table = new StringTable(encoder.encode("\0one\0two\0"));
  assertEquals([table.at(1), table.at(5), table.at(7), table.at(9), table.at(-2)], [
    "one",
    "two",
    "o",
    undefined,
    undefined,
  ]);
});
