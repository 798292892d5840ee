/**
 * Runs the tests of all hooks again in a process without privileges but with a token: an attached program
 * runs on its event, or is refused for a planned reason.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Delegation, runInSandbox } from "../../token/mod.ts";
import { cgroupRoot, inCgroup } from "../support/hooks.ts";
import { testWith } from "../support/needs.ts";
import { refusedByPolicy } from "../support/trampolines.ts";
import { type Case, cases, skipReason } from "../support/report.ts";
import { bareName, type Outcome } from "../vm/results.ts";
import { plannedRefusal } from "./planned_refusals.ts";
import { withoutUndefined } from "../../errors/without_undefined.ts";

const FILES = ["tracing", "iterator", "user", "network", "socket", "other"];
const NOBODY = 65534;

/** Runs the tests of hooks inside a sandbox; returns their outcomes. */
async function runInside(): Promise<readonly Case[]> {
  const folder = await Deno.makeTempDir({ prefix: "skep-hooks-" });
  const noTrampolines = refusedByPolicy();
  try {
    await Deno.chown(folder, NOBODY, NOBODY);
    const report = `${folder}/token.xml`;
    const cache = Deno.env.get("DENO_DIR") ??
      `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`;
    const root = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");
    const { code, stdout, stderr } = await runInSandbox({
      delegation: Delegation.any,
      command: [
        Deno.execPath(),
        ...["test", "--no-check", "--allow-all", `--junit-path=${report}`],
        ...FILES.map((name) => `tests/kernel/attach_${name}_test.ts`),
      ],
      directory: root,
      environment: withoutUndefined({
        ...Deno.env.toObject(),
        DENO_DIR: cache,
        SKEP_HOOKS_WITH_TOKEN: "1",
        SKEP_NO_TRAMPOLINES: noTrampolines,
        NO_COLOR: "1",
      }),
      readable: [Deno.execPath(), cache, root],
      user: NOBODY,
      network: "new",
      // Tests of cgroup hooks create cgroups below their current one.
      cgroup: "keep",
      input: "null",
      output: "piped",
    });
    assert(code === 0 || code === 1, `ended with ${code}:\n${stdout}\n${stderr}`);
    return cases(await Deno.readTextFile(report));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Moves this process to a cgroup below which an unprivileged process can create cgroups, while `body` runs. */
async function inOwnedCgroup<T>(body: () => Promise<T>): Promise<T> {
  if (cgroupRoot() === undefined) return await body();
  return await inCgroup(async (path) => {
    for (const name of ["", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"]) {
      await Deno.chown(`${path}${name}`, NOBODY, NOBODY);
    }
    return await body();
  });
}

function outcomeOf({ name, outcome, failure }: Case): Outcome {
  if (outcome === "skipped") {
    const reason = skipReason(name);
    return /^tracefs /.test(reason) ? "refused: tracefs is for root alone" : `skipped: ${reason}`;
  }
  const planned = plannedRefusal(bareName(name));
  if (planned === undefined) return outcome;
  // When a planned refusal does not happen, the plan is wrong.
  return outcome === "failed" && planned.says.test(failure ?? "")
    ? `refused: ${planned.why}`
    : "failed";
}

testWith("tokens", "every hook sees its event with a token, or is refused as planned", async () => {
  const all = await inOwnedCgroup(runInside);
  assert(all.length > 60, `only ${all.length} tests ran`);
  const outcomes = all.map((one) => [bareName(one.name), outcomeOf(one), one.failure] as const);
  const folder = Deno.env.get("SKEP_RESULTS");
  if (folder !== undefined) {
    await Deno.writeTextFile(
      `${folder}/token.json`,
      JSON.stringify(Object.fromEntries(outcomes.map(([name, outcome]) => [name, outcome]))),
    );
  }
  const wrong = outcomes.filter(([, outcome]) => outcome === "failed")
    .map(([name, , failure]) =>
      `${name}: ${failure?.split("\n", 3).join(" ") ?? "was not refused"}`
    );
  assertEquals(wrong, []);
  assert(outcomes.some(([, outcome]) => outcome === "passed"));
});
