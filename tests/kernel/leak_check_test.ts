// What a test leaves open is named, with the line that opened it.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { BpfMap, leakCheck, linuxKernel, SkepError } from "../../mod.ts";
import { testWith } from "../support/needs.ts";

const create = (): BpfMap =>
  BpfMap.create({ type: "array", keySize: 4, valueSize: 4, maxEntries: 1 });

testWith("root", "leakCheck passes a test that closes what it opens", async () => {
  const kernel = linuxKernel();
  using _before = create();
  const said: unknown[] = [];
  await leakCheck(kernel, (...args: readonly unknown[]) => {
    said.push(...args);
    using _map = create();
  })(1, "two");
  assertEquals(said, [1, "two"]);
});

testWith("root", "leakCheck names what is left, and where it was opened", async () => {
  const kept: BpfMap[] = [];
  const checked = leakCheck(linuxKernel(), () => {
    kept.push(create());
  });
  try {
    const error = await assertRejects(checked, SkepError);
    assertStringIncludes(error.message, "1 descriptor");
    assertStringIncludes(error.message, "map (descriptor ");
    assertStringIncludes(error.message, "leak_check_test.ts:");
    assert(Array.isArray(error.data["left"]));
  } finally {
    for (const map of kept) map[Symbol.dispose]();
  }
});

testWith("root", "leakCheck lets a test's own error through", async () => {
  await assertRejects(
    leakCheck(linuxKernel(), () => {
      throw new RangeError("of the test");
    }),
    RangeError,
    "of the test",
  );
});
