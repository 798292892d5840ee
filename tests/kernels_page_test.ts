// Checks that docs/kernels.md equals its generator's output for the stored results, and that it shows every kind of hook.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { forgottenHooks, page, pageText } from "./vm/docs.ts";
import { hookRows } from "./vm/hooks_table.ts";
import { bareName, keptResults, type KernelResults, readOutcomes } from "./vm/results.ts";
import { unprovedSkips } from "./vm/skips.ts";

Deno.test("docs/kernels.md is what deno task docs:kernels writes", async () => {
  assertEquals(await Deno.readTextFile(page), pageText(await keptResults()), "run the task");
});

Deno.test("every kind of hook has a row, or a reason for none", () => {
  assertEquals(forgottenHooks(), []);
});

Deno.test("a result that is missing leaves no empty cell, but is an error", () => {
  const tests = Object.fromEntries(hookRows.map(({ test }) => [test, "passed" as const]));
  const whole: KernelResults = { release: "6.12.1", guest: true, tests, withToken: tests };
  assertStringIncludes(pageText(new Map([["6.12", whole]])), "| kprobe | pass | pass |");
  const { [hookRows[0]?.test ?? ""]: _, ...fewer } = tests;
  assertThrows(
    () => pageText(new Map([["6.12", { ...whole, withToken: fewer }]])),
    Error,
    "has no result of",
  );
});

Deno.test("a report's names lose their reasons, which become the outcome", () => {
  assertEquals(
    readOutcomes(`<testcase name="a"/><testcase name="b [skipped: needs root]"><skipped/></testcase>
      <testcase name="c"><failure message="no">no</failure></testcase>`),
    { a: "passed", b: "skipped: needs root", c: "failed" },
  );
  assertEquals(bareName("b (skipped: needs root)"), "b");
});

Deno.test("a skipped test has to prove itself by release or configuration", () => {
  const configuration = "CONFIG_FPROBE=y\nCONFIG_NETKIT=m\n# CONFIG_HID_BPF is not set\n";
  const wrong = (reason: string): number =>
    unprovedSkips("6.12.1", configuration, { test: `skipped: ${reason}` }).length;
  assertEquals(wrong("needs Linux 6.13, this is 6.12.1"), 0);
  assertEquals(wrong("needs Linux 6.12, this is 6.12.1"), 1);
  assertEquals(wrong("needs CONFIG_HID_BPF, without which this kernel is built"), 0);
  assertEquals(wrong("needs CONFIG_NETKIT, without which this kernel is built"), 1);
  assertEquals(wrong("it did not work"), 1);
  assertEquals(unprovedSkips("6.12.1", "", { test: "passed" }), []);
});
