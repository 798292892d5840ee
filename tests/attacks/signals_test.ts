// The verifier returns EAGAIN when a signal is pending for the thread. Programs must load despite the timer
// signals of a profiler.

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
