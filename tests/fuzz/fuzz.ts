/**
 * The fuzzer: `deno task fuzz [SECONDS] [SEED] [NUMBER]`.
 *
 * Damages good objects and takes each through every pure layer, until the time is over. An input
 * that ends in anything but a result or one of our errors, takes too long or too much memory is
 * written to a file; `NUMBER` tries that one alone.
 *
 * @module
 */

import { inputOf, seedObjects, tryInput } from "./campaign.ts";
import type { Report } from "./worker.ts";

/** Without a sign of life for this long, an input hangs. */
const HANG_MILLISECONDS = 15_000;

if (import.meta.main) {
  const [seconds = 60, seed = Date.now() & 0xffff, only] = Deno.args.map(Number);
  if (only === undefined) Deno.exit(await campaign(seconds, seed));
  console.log(tryInput(inputOf(seedObjects(), seed, only)));
}

async function campaign(seconds: number, seed: number): Promise<number> {
  console.log(`seed ${seed}, ${seconds} s`);
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const failures = new Map<string, number>();
  let last: Report = { number: 0, accepted: 0, slowest: 0 };
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let timer = setTimeout(() => resolve(false), HANG_MILLISECONDS);
  worker.onmessage = ({ data }: MessageEvent<Report>): void => {
    clearTimeout(timer);
    timer = setTimeout(() => resolve(false), HANG_MILLISECONDS);
    last = data;
    if (data.failure !== undefined) {
      const what = data.failure.split("\n").slice(0, 3).join("\n");
      if (!failures.has(what)) console.log(`input ${data.number}: ${data.failure}`);
      failures.set(what, (failures.get(what) ?? 0) + 1);
      if (failures.get(what) === 1) keep(seed, data.number);
    }
    if (data.number < 0) resolve(true);
  };
  worker.postMessage([seconds, seed]);
  const ended = await promise;
  clearTimeout(timer);
  worker.terminate();
  const inputs = Math.abs(last.number);
  if (!ended) console.log(`it hangs at an input between ${inputs} and ${inputs + 1000}`);
  console.log(
    `${inputs} inputs, ${last.accepted} accepted as objects, slowest ${
      last.slowest.toFixed(1)
    } ms, ${failures.size} failures`,
  );
  return failures.size === 0 && ended ? 0 : 1;
}

function keep(seed: number, number: number): void {
  const path = `fuzz-${seed}-${number}.o`;
  Deno.writeFileSync(path, inputOf(seedObjects(), seed, number));
  console.log(`kept as ${path}`);
}
