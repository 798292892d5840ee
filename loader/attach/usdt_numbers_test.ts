import { assert, assertEquals } from "@std/assert";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import { numbersOf } from "./target/usdt_numbers.ts";

Deno.test("attachments to one map share its indices, those of another kernel do not", () => {
  const kernel = new FakeKernel();
  const first = numbersOf(kernel, 7);
  first.used.add(0);
  assertEquals([...numbersOf(kernel, 7).used], [0]);
  assertEquals([...numbersOf(kernel, 8).used], []);
  assertEquals([...numbersOf(new FakeKernel(), 7).used], []);
});

Deno.test("a map whose indices are all released is forgotten", () => {
  const kernel = new FakeKernel();
  const first = numbersOf(kernel, 7);
  const second = numbersOf(kernel, 7);
  first.used.add(0);
  second.used.add(1);
  first.release([0]);
  assert(numbersOf(kernel, 7).used === first.used);
  second.release([1]);
  assert(numbersOf(kernel, 7).used !== first.used);
});
