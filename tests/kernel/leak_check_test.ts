// Checks that a descriptor left open by a test is reported with the line that opened it.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { BpfMap, leakCheck, LinuxKernel, linuxKernel, SkepError } from "../../mod.ts";
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

testWith("root", "leakCheck sees a descriptor that got the number of an older one", async () => {
  const before = create();
  let kept: BpfMap | undefined;
  const checked = leakCheck(linuxKernel(), () => {
    const { fd } = before;
    before[Symbol.dispose]();
    kept = create();
    assertEquals(kept.fd, fd);
  });
  try {
    await assertRejects(checked, SkepError, "1 descriptor");
  } finally {
    kept?.[Symbol.dispose]();
  }
});

testWith(
  "root",
  "a second kernel interface in an isolate closes nothing of the first one's",
  () => {
    // Like a second copy of the package, whose descriptors must not be mistaken for those of an ended isolate.
    using first = BpfMap.create<number, number>({
      type: "array",
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
    });
    first.set(0, 1);
    const other = new LinuxKernel();
    const second = other.mapCreate({ type: 2, keySize: 4, valueSize: 4, maxEntries: 1 });
    assertEquals(first.get(0), 1);
    const third = new LinuxKernel();
    third.close(third.mapCreate({ type: 2, keySize: 4, valueSize: 4, maxEntries: 1 }));
    assertEquals(other.objectInfo(second, 8).result, 0);
    other.close(second);
  },
);
