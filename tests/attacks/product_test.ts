// The product of every public method and function with every value that a cast would let through, in child
// processes: none ends the process by a signal, none touches what is not its own.

import { assert, assertEquals } from "@std/assert";
import { testWith } from "../support/needs.ts";
import { ALONE } from "./support/child.ts";
import { needsMaker, publicFunctions } from "./support/product/cases.ts";
import { exclusions } from "./support/product/exclusions.ts";
import { makers } from "./support/product/world.ts";
import { runShard } from "./support/product/shard.ts";

/** One for each core of a small machine. */
const SHARDS = 2;

testWith("root", "attack: no call ends the process or touches what is another's", async () => {
  const outcomes = await Promise.all(
    Array.from({ length: SHARDS }, (_, shard) => runShard(shard, SHARDS, ALONE)),
  );
  assertEquals(outcomes.flatMap(({ harms }) => harms), []);

  // What the product rests on: instances of every class, calls that are right but for one value.
  const covered = new Set([
    ...outcomes.flatMap(({ classes }) => [...classes]),
    // BpfMap is abstract: what it creates is of the class of its kind.
    ...Object.keys(makers).map((kind) => kind.split(":")[0]),
  ]);
  const missing = [...await publicFunctions()]
    .filter(([name, value]) => needsMaker(value) && !covered.has(name))
    .map(([name]) => name)
    .filter((name) => !Object.hasOwn(exclusions, name));
  assertEquals(missing, [], "name a maker in support/product/world.ts, or the reason");
  for (const [name, reason] of Object.entries(exclusions)) assert(reason.length > 10, name);
  const ran = outcomes.reduce((sum, outcome) => sum + outcome.ran, 0);
  assert(ran > 10_000, `only ${ran} cases ran`);
});
