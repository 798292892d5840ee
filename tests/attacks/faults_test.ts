// Ordinary calls must neither end the process by a signal nor write to unrelated memory.

import { assertEquals } from "@std/assert";
import { testWith } from "../support/needs.ts";
import { died, runChild } from "./support/child.ts";
import { faults } from "./support/faults.ts";

for (const name of Object.keys(faults)) {
  testWith("root", `attack: ${name} does no harm`, async () => {
    const ended = await runChild("faults.ts", { args: [name] });
    assertEquals(died(ended), false, `the process was ended by ${ended.signal}: ${ended.error}`);
    assertEquals(ended.out.trim().split("\n"), ["done"], ended.error);
  });
}
