// Calls every public method and function with every value that a cast lets through, in child processes. No
// call may end the process by a signal, or change unrelated maps, buffers, descriptors or files.

import { assert, assertEquals } from "@std/assert";
import { testWith } from "../support/needs.ts";
import { ALONE } from "./support/child.ts";
import { needsMaker, publicFunctions } from "./support/product/cases.ts";
import { exclusions } from "./support/product/exclusions.ts";
import { makers } from "./support/product/world.ts";
import { runShard } from "./support/product/shard.ts";

/** Number of shards: one for each core of a small machine. */
const SHARDS = 2;

testWith("root", "attack: no call ends the process or touches what is another's", async () => {
  const outcomes = await Promise.all(
    Array.from({ length: SHARDS }, (_, shard) => runShard(shard, SHARDS, ALONE)),
  );
  assertEquals(outcomes.flatMap(({ harms }) => harms), []);

  // Prerequisites of the product: instances of every class, and calls with a single wrong value.
  const covered = new Set([
    ...outcomes.flatMap(({ classes }) => [...classes]),
    // BpfMap is abstract; its factory returns an instance of a subclass.
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
