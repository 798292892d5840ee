// A map is disposed while an iterator, a batch or a reader of it is in use, and its descriptor number is
// reused for another map. A stale descriptor number would read that map into a buffer that is too small.

import { assertEquals } from "@std/assert";
import { testWith } from "../support/needs.ts";
import { died, runChild } from "./support/child.ts";

testWith(
  "root",
  "attack: what was made of a disposed map does not reach the map that has its number now",
  async () => {
    const ended = await runChild("stale_number.ts");
    assertEquals(died(ended), false, `the process was ended by ${ended.signal}: ${ended.error}`);
    assertEquals(ended.out.trim().split("\n"), ["done"], ended.error);
  },
);
