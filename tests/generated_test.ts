import { assertEquals } from "@std/assert";
import { generate, keptBtf } from "./support/generate.ts";

Deno.test("generated files are what deno task generate writes", async () => {
  for (const [path, text] of Object.entries(await generate(keptBtf()))) {
    const there = await Deno.readTextFile(new URL(`../${path}`, import.meta.url));
    assertEquals(there, text, `${path} was edited: run deno task generate`);
  }
});
