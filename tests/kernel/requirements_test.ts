import { assertEquals } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { features } from "../../loader/features/features.ts";
import { isAtLeast, requirementOf, requirements } from "../../loader/features/requirements.ts";
import { kernelTest } from "../support/kernel.ts";

for (const kind of ["command", "map", "program", "attach"] as const) {
  kernelTest(`this kernel has each ${kind} since the release that the table says`, () => {
    const kernel = linuxKernel();
    const { release } = kernel.machine;
    const wrong: string[] = [];
    for (const name of Object.keys(requirements[kind])) {
      const { linux } = requirementOf(kind, name) ?? { linux: "0.0" };
      const expected = isAtLeast(release, linux);
      const there = features(kernel).has(kind, name);
      if (expected && !there) {
        wrong.push(`${name}: ${release} is not older than ${linux}, and lacks it`);
      }
      // Red Hat's kernels have backports of features newer than their version.
      if (!expected && there && !release.includes(".el")) {
        wrong.push(`${name}: ${release} is older than ${linux}, and has it`);
      }
    }
    assertEquals(wrong, []);
  });
}
