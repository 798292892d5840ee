import { assert, assertEquals } from "@std/assert";
import { inputOf, seedObjects, tryInput } from "./campaign.ts";
import { assemble } from "./structure/assemble.ts";
import { Tally } from "./tally.ts";

// Capturing a stack is the most expensive part of an error.
Error.stackTraceLimit = 1;

Deno.test("whatever is damaged in an object, every layer answers or refuses in its own words", () => {
  const seeds = seedObjects();
  const seed = 1;
  const tally = new Tally();
  const inputs = 400;
  for (let number = 0; number < inputs; number++) {
    const input = inputOf(seeds, seed, number);
    try {
      tally.add(number, input, tryInput(input.bytes));
    } catch (cause) {
      throw new Error(`input ${number} of seed ${seed}: ${cause}`, { cause });
    }
  }
  // Damage that the first check always finds would test nothing else.
  for (const [maker, [tried, objects]] of Object.entries(tally.data().makers)) {
    assert(tried > 0 && objects > tried / 20, `${maker}: ${objects} of ${tried} were accepted`);
    assert(maker === "graph" || objects < tried, `${maker}: nothing was refused`);
  }
});

Deno.test("no object that is cut off is more than its parts", () => {
  for (const { bytes } of seedObjects()) {
    for (let length = 0; length < bytes.length; length += 97) tryInput(bytes.slice(0, length));
  }
});

Deno.test("an object in pieces is put together as it was", () => {
  for (const { bytes, anatomy } of seedObjects()) {
    const { bytes: again } = assemble(anatomy, true);
    const { steps } = tryInput(bytes).outcomes;
    assertEquals(tryInput(again).outcomes.steps, steps);
  }
});
