import { assertEquals } from "@std/assert";
import { seedObjects } from "./campaign.ts";
import { type Growth, growthOf, pairCase, singleCases } from "./growth.ts";
import { Random } from "./random.ts";

// Capturing a stack is the most expensive part of an error.
Error.stackTraceLimit = 1;

function shown({ label, step, measured }: Growth): string {
  const sizes = measured.map(([bytes, milliseconds]) =>
    `${bytes} bytes ${milliseconds.toFixed(0)} ms`
  );
  return `${label}: ${step}: ${sizes.join(", ")}`;
}

Deno.test("what is repeated four times as often takes no more than its share of time", () => {
  const seeds = seedObjects();
  const found: Growth[] = [];
  // One seed that has all kinds of pieces; `deno task fuzz --growth` tries all seeds.
  for (const one of singleCases(seeds[1] as typeof seeds[number])) found.push(...growthOf(one));
  assertEquals(found.map(shown), []);
});

Deno.test("two things that are repeated together do not multiply", () => {
  const seeds = seedObjects();
  const random = new Random(3);
  const found: Growth[] = [];
  for (let turn = 0; turn < 12; turn++) found.push(...growthOf(pairCase(seeds, random)));
  assertEquals(found.map(shown), []);
});
