// Checks the pages for users: every snippet comes from a tested file, and every link has a target.

import { assert, assertEquals } from "@std/assert";
import { loneBlocks, pages, region, withSnippets } from "./support/snippets.ts";

const root = new URL("../", import.meta.url);

Deno.test("region() takes the lines between its marks, without their indentation", () => {
  const source =
    "a\n  // #region x\n  b\n    // #region y\n    c\n    // #endregion y\n  // #endregion x\n";
  assertEquals(region(source, "x"), "b\n  c\n");
  assertEquals(region(source, "y"), "c\n");
  assertEquals(region(source, "z"), undefined);
});

Deno.test("snippets in the pages are what the files say", async () => {
  const differing: string[] = [];
  for (const page of await pages()) {
    const text = await Deno.readTextFile(new URL(page, root));
    if (await withSnippets(page, text) !== text) differing.push(page);
  }
  assertEquals(differing, [], "run deno task docs");
});

Deno.test("every piece of code in the pages comes from a file", async () => {
  for (const page of await pages()) {
    assertEquals(loneBlocks(await Deno.readTextFile(new URL(page, root))), [], page);
  }
});

Deno.test("links in the pages lead to files that exist", async () => {
  for (const page of await pages()) {
    const text = await Deno.readTextFile(new URL(page, root));
    for (const [, target = ""] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const url = new URL(target, new URL(page, root));
      const { isFile, isDirectory } = await Deno.stat(url);
      assert(isFile || isDirectory, `${page} links to ${target}`);
    }
  }
});
