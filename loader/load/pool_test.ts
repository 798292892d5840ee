import { assertEquals, assertRejects } from "@std/assert";
import { runPool } from "./pool.ts";

Deno.test("runPool limits concurrency and starts jobs in order", async () => {
  let running = 0;
  let most = 0;
  const started: number[] = [];
  await runPool([0, 1, 2, 3, 4], 2, async (item) => {
    started.push(item);
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    return true;
  });
  assertEquals(started, [0, 1, 2, 3, 4]);
  assertEquals(most, 2);
});

Deno.test("runPool starts no job after a stop, and waits for running ones", async () => {
  const ended: number[] = [];
  await runPool([0, 1, 2, 3], 2, async (item) => {
    if (item === 1) await new Promise((resolve) => setTimeout(resolve, 5));
    ended.push(item);
    return item !== 0;
  });
  assertEquals(ended, [0, 1]);
});

Deno.test("runPool throws the first error after all started jobs have settled", async () => {
  let ended = false;
  await assertRejects(
    () =>
      runPool([0, 1], 2, async (item) => {
        if (item === 0) throw new TypeError("first");
        await new Promise((resolve) => setTimeout(resolve, 5));
        ended = true;
        return true;
      }),
    TypeError,
    "first",
  );
  assertEquals(ended, true);
});
