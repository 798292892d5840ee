// The verifier gives up with EAGAIN when a signal waits for its thread: a profiler's timer must not keep programs
// from loading.

import { assertEquals } from "@std/assert";
import { testWith } from "../support/needs.ts";
import { runChild } from "./support/child.ts";

for (const at of ["process", "thread"]) {
  testWith(
    "root",
    `attack: a timer's signals at the ${at} keep no program from loading`,
    async () => {
      const ended = await runChild("signals.ts", { args: [at] });
      assertEquals(ended.code, 0, ended.error);
      assertEquals(ended.out.trim().split("\n"), ["done"]);
    },
  );
}
