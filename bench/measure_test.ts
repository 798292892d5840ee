import { assertEquals } from "@std/assert";
import { joined, median } from "./measure.ts";

Deno.test("median is the middle, or the mean of the two in the middle", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 2, 3]), 2.5);
  assertEquals(median([]), NaN);
});

Deno.test("joined keeps every sample of every process", () => {
  const all = joined([
    [{ name: "open", unit: "us", samples: [1, 2] }],
    [{ name: "open", unit: "us", samples: [3] }, { name: "load", unit: "us", samples: [4] }],
  ]);
  assertEquals(all.get("open")?.samples, [1, 2, 3]);
  assertEquals(all.get("load")?.samples, [4]);
});
