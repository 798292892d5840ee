/**
 * Checks that a plan is sufficient and minimal: every object loads with exactly the planned delegation, and
 * does not load when one option value is removed.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { openObject } from "../../loader/mod.ts";
import { Delegation, type DelegationWord, plan } from "../../token/mod.ts";
import { withInitialBpffs } from "./bpffs.ts";
import { testWith } from "../support/needs.ts";
import { corpus, examples, ways } from "./corpus.ts";
import { TokenWorker, tryLoad } from "./worker.ts";

/** Results over all objects. */
interface Tally {
  /** Objects that load with the planned delegation. */
  readonly loaded: string[];
  /** Objects that do not load in a user namespace, whatever is delegated. */
  readonly beyond: string[];
  /** Number of option values that were removed in turn. */
  tried: number;
  /** Results that contradict the plan. */
  readonly wrong: string[];
}

function one(word: DelegationWord): Delegation {
  return Delegation.of({ [word.set]: [word.number] });
}

async function prove(worker: TokenWorker, path: string, tally: Tally): Promise<void> {
  for (const { name, need, ...way } of await ways(path)) {
    const whole = await worker.load(path, need.delegation, way);
    if (!whole.ok) {
      const any = await worker.load(path, Delegation.any, way);
      if (any.ok) tally.wrong.push(`${name}: ${need.delegation} is not enough: ${whole.message}`);
      else tally.beyond.push(`${name}: ${any.message}`);
      continue;
    }
    tally.loaded.push(name);
    for (const word of need.delegation.words()) {
      tally.tried++;
      const text = `${word.option}=${word.word}`;
      const optional = need.optional.some(({ set, number }) =>
        set === word.set && number === word.number
      );
      const less = await worker.load(path, need.delegation.without(one(word)), way);
      if (less.ok && !optional) tally.wrong.push(`${name}: loads without ${text}`);
      if (!less.ok && optional) {
        tally.wrong.push(`${name}: ${text} is not optional: ${less.message}`);
      }
    }
  }
}

function tally(): Tally {
  return { loaded: [], beyond: [], tried: 0, wrong: [] };
}

testWith("tokens", "a plan is minimal and sufficient for every example", async () => {
  await using worker = new TokenWorker();
  const found = tally();
  for (const path of await examples()) await prove(worker, path, found);
  assertEquals(found.wrong, []);
  assertEquals(found.beyond, []);
  assert(found.loaded.length >= 4, `${found.loaded}`);
});

testWith(
  ["tokens", "corpus"],
  "a plan is minimal and sufficient for every object of the corpus",
  async () => {
    await withInitialBpffs(async (pinRoot) => {
      await using worker = new TokenWorker();
      const found = tally();
      for (const path of await corpus()) {
        const needsNothing = await openObject(path).then(
          (spec) => plan(spec).delegation.empty,
          () => true,
        );
        if (needsNothing || !(await tryLoad(path, false, pinRoot)).ok) continue;
        await prove(worker, path, found);
      }
      assertEquals(found.wrong, []);
      assert(found.loaded.length > 250, `only ${found.loaded.length} objects were loaded`);
      assert(found.beyond.length < 5, found.beyond.join("\n"));
    });
  },
);
