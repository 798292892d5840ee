import { assert, assertEquals } from "@std/assert";
import { Rates } from "./rates.ts";
import { type Slot, Slots } from "./slots.ts";

/** Creates slots, and a list of the names of evicted clients. */
function slots(most: number): {
  readonly slots: Slots;
  readonly evicted: string[];
  readonly enter: (account: string, named?: boolean) => Slot | undefined;
} {
  const slots = new Slots(() => most);
  const evicted: string[] = [];
  return {
    slots,
    evicted,
    enter: (account, named = true) => slots.enter({ account, named }, () => evicted.push(account)),
  };
}

Deno.test("nobody holds more than a quarter of the places", () => {
  const { slots: all, enter, evicted } = slots(16);
  for (let count = 0; count < 10; count++) assert(enter("a") !== undefined);
  assertEquals([all.taken, evicted.length], [4, 6]);
  // A slot in use is not evicted.
  const { enter: other } = slots(16);
  const held = [1, 2, 3, 4].map(() => other("a"));
  for (const slot of held) if (slot !== undefined) slot.waiting = false;
  assertEquals(other("a"), undefined);
  assert(other("b") !== undefined);
});

Deno.test("those whom no rule names hold half of the places, and make room for those whom one names", () => {
  const { slots: all, enter, evicted } = slots(8);
  for (let count = 0; count < 20; count++) enter(`stranger ${count}`, false);
  assertEquals([all.taken, evicted.splice(0).length], [4, 16]);
  for (let count = 0; count < 8; count++) assert(enter(`known ${count}`) !== undefined);
  assertEquals(all.taken, 8);
  assertEquals(evicted, [16, 17, 18, 19].map((number) => `stranger ${number}`));
  assertEquals(enter("stranger", false), undefined);
});

Deno.test("who holds fewest gets in, for who holds most and has been silent longest", () => {
  const { slots: all, enter, evicted } = slots(8);
  for (const account of ["a", "a", "b", "c", "d", "e", "f", "g"]) enter(account);
  assert(enter("h") !== undefined);
  assertEquals([all.taken, evicted], [8, ["a"]]);
  // When each client has one slot, the oldest is evicted; a client that sends its request at once is never the oldest.
  assert(enter("i") !== undefined);
  assertEquals(evicted, ["a", "a"]);
  assertEquals(enter("b"), undefined);
});

Deno.test("places that are given back are free, and with one place there is one", () => {
  const { slots: all, enter } = slots(1);
  const slot = enter("a");
  assert(slot !== undefined);
  slot.waiting = false;
  assertEquals(enter("b"), undefined);
  all.leave(slot);
  assert(enter("b", false) !== undefined);
  all.evictAll();
  assertEquals(all.taken, 0);
});

Deno.test("a rate fills up again, and a bounded number of accounts is kept in mind", () => {
  let now = 0;
  const rates = new Rates(() => 2, () => now);
  assertEquals([rates.take("a"), rates.take("a"), rates.take("a")], [true, true, false]);
  assert(rates.take("b"), "another account has its own");
  now += 30_000;
  assertEquals([rates.take("a"), rates.take("a")], [true, false]);
  for (let count = 0; count < 10_000; count++) rates.take(`uid ${count}`);
  assert(rates.take("a"), "it was forgotten, in favour of those that asked since");
});
