// A sandbox runs in a cgroup of its own where version 2 is mounted, and nothing of it is left there.

import { assert, assertEquals } from "@std/assert";
import { attackTest } from "./support/attack_test.ts";
import { runChild } from "./support/child.ts";

attackTest(
  "tokens",
  "all processes of a sandbox are in its cgroup, which is removed afterwards",
  async () => {
    const { code, out, error } = await runChild("sandbox_cgroup.ts", {
      through: ["unshare", "--mount"],
      timeout: 20_000,
    });
    assertEquals(code, 0, error);
    const seen = JSON.parse(out) as {
      before: string[];
      left: string;
      inside: string;
      after: string[];
    };
    assert(!seen.after.includes(seen.left), "the cgroup of a killed skep remains");
    assert(/^0::\/.*skep-sandbox-/m.test(seen.inside), seen.inside);
    assertEquals(seen.after.filter((name) => !seen.before.includes(name)), []);
  },
);
