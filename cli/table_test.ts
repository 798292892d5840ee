import { assertEquals } from "@std/assert";
import { displayWidth, table, TableWriter } from "./table.ts";

Deno.test("table() aligns columns and leaves no spaces at the ends of lines", () => {
  const text = table(
    [{ head: "NAME" }, { head: "SIZE", align: "right" }, { head: "" }],
    [["a", "1", ""], ["longer", "1024", "x"]],
  );
  assertEquals(text, "NAME    SIZE\na          1\nlonger  1024  x\n");
});

Deno.test("table() shows control characters instead of sending them to the terminal", () => {
  const text = table([{ head: "NAME" }], [["\x1b[31mred\n\u202e"]]);
  assertEquals(text, "NAME\n\\u001b[31mred\\n\\u202e\n");
  assertEquals(table([{ head: "A" }], [["tab\there"]]), "A\ntab\\there\n");
});

Deno.test("displayWidth() counts what a terminal shows", () => {
  assertEquals(displayWidth("abc"), 3);
  assertEquals(displayWidth("蜂"), 2);
  assertEquals(displayWidth("e\u0301"), 1);
  assertEquals(displayWidth("🐝"), 2);
});

Deno.test("TableWriter keeps a column as wide as its widest row so far", () => {
  const writer = new TableWriter([{ head: "A" }, { head: "B" }]);
  assertEquals(writer.row(["long", "x"]), "long  x\n");
  assertEquals(writer.row(["s", "y"]), "s     y\n");
});
