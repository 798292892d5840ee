// A map is disposed of while something made of it lives: an iterator, a batch, a reader. The descriptor's
// number goes to the next map. Whoever kept the number then reads that map into room that is too small.

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
