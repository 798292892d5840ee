import { assert } from "@std/assert";
import { inputOf, seedObjects, tryInput } from "./campaign.ts";

Deno.test("whatever is damaged in an object, every layer answers or refuses in its own words", () => {
  const seeds = seedObjects();
  const seed = 1;
  let accepted = 0;
  const inputs = 400;
  for (let number = 0; number < inputs; number++) {
    try {
      if (tryInput(inputOf(seeds, seed, number)).accepted) accepted++;
    } catch (cause) {
      throw new Error(`input ${number} of seed ${seed}: ${cause}`, { cause });
    }
  }
  // Damage that is always noticed at once would test only the first check.
  assert(accepted > inputs / 20, `${accepted} of ${inputs} were accepted`);
  assert(accepted < inputs, "nothing was refused");
});

Deno.test("no object that is cut off is more than its parts", () => {
  for (const seed of seedObjects()) {
    for (let length = 0; length < seed.length; length += 97) tryInput(seed.slice(0, length));
  }
});
