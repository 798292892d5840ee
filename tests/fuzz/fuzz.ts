/**
 * The fuzzer: `deno task fuzz [--seconds N] [--inputs N] [--seed N] [--first N] [--only N]`, and
 * `deno task fuzz --growth [--seed N]`.
 *
 * Damages good objects, field by field and blindly, and takes each through every pure layer, until
 * the time is over or the inputs are done. An input that ends in anything but a result or one of our
 * errors, or takes more time or memory than its size allows, is written to a file; `--only` tries
 * one alone. `--growth` repeats everything that objects have, alone and in pairs, and measures time
 * against size.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { inputOf, randomOf, seedObjects, tryInput } from "./campaign.ts";
import { type GrowthCase, growthOf, pairCase, singleCases } from "./growth.ts";
import { Random } from "./random.ts";
import { type TallyData, tallyText } from "./tally.ts";
import type { Order, Report } from "./worker.ts";

/** Milliseconds without progress after which an input counts as hanging. */
const HANG_MILLISECONDS = 30_000;
/** Milliseconds between prints of the counts. */
const PRINT_MILLISECONDS = 60_000;

if (import.meta.main) {
  const options = parseArgs(Deno.args, {
    string: ["seconds", "inputs", "seed", "first", "only"],
    boolean: ["growth"],
  });
  const number = (text: string | undefined, otherwise: number): number =>
    text === undefined ? otherwise : Number(text);
  const seed = number(options.seed, Date.now() & 0xffff);
  if (options.growth) Deno.exit(growth(seed, number(options.inputs, 200)));
  if (options.only !== undefined) {
    const only = Number(options.only);
    const { bytes, ...made } = inputOf(seedObjects(), seed, only);
    console.log(made);
    const { milliseconds, outcomes } = tryInput(bytes, randomOf(seed, ~only));
    console.log(milliseconds, outcomes.steps, tryInput(bytes).milliseconds);
  } else {
    const first = number(options.first, 0);
    const seconds = number(options.seconds, options.inputs === undefined ? 60 : Infinity);
    const until = Date.now() + seconds * 1000;
    Deno.exit(await campaign({ seed, first, end: first + number(options.inputs, 2 ** 31), until }));
  }
}

async function campaign(order: Order): Promise<number> {
  const { seed, first } = order;
  const started = performance.now();
  console.log(`seed ${seed}, from input ${first} on`);
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const failures = new Map<string, number>();
  let last: Report | undefined;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let timer = setTimeout(() => resolve(false), HANG_MILLISECONDS);
  let printed = performance.now();
  worker.onmessage = ({ data }: MessageEvent<Report>): void => {
    clearTimeout(timer);
    timer = setTimeout(() => resolve(false), HANG_MILLISECONDS);
    last = data;
    if (data.failure !== undefined) {
      const what = data.failure.split("\n").slice(0, 2).join("\n").replace(/\d+/g, "N");
      if (!failures.has(what)) {
        console.log(`input ${data.number - 1}: ${data.failure}`);
        keep(seed, data.number - 1);
      }
      failures.set(what, (failures.get(what) ?? 0) + 1);
    }
    if (performance.now() - printed > PRINT_MILLISECONDS) {
      printed = performance.now();
      console.log(progress(data.tally, printed - started, failures));
    }
    if (data.ended === true) resolve(true);
  };
  worker.postMessage(order);
  const ended = await promise;
  clearTimeout(timer);
  worker.terminate();
  if (last !== undefined) {
    console.log(tallyText(last.tally));
    console.log(progress(last.tally, performance.now() - started, failures));
    if (!ended) console.log(`it hangs soon after input ${last.number}`);
  }
  for (const [what, times] of failures) console.log(`${times} times: ${what}`);
  return failures.size === 0 && ended ? 0 : 1;
}

/** Tries all pieces of all seeds, then a number of pairs. */
function growth(seed: number, pairs: number): number {
  Error.stackTraceLimit = 0;
  const seeds = seedObjects();
  const random = new Random(seed);
  let cases = 0;
  let found = 0;
  const measure = (one: GrowthCase): void => {
    cases++;
    for (const { label, step, measured } of growthOf(one)) {
      found++;
      const sizes = measured.map(([bytes, time]) => `${bytes} bytes ${time.toFixed(0)} ms`);
      console.log(`${label}: ${step}: ${sizes.join(", ")}`);
    }
  };
  for (const one of seeds) for (const each of singleCases(one)) measure(each);
  console.log(`${cases} pieces of ${seeds.length} objects, ${found} findings`);
  for (let pair = 0; pair < pairs; pair++) measure(pairCase(seeds, random));
  console.log(`seed ${seed}: ${cases} cases, ${found} findings`);
  return found === 0 ? 0 : 1;
}

function progress(tally: TallyData, milliseconds: number, failures: Map<string, number>): string {
  const each = tally.inputs / milliseconds * 1000;
  return `${new Date().toISOString()}: ${tally.inputs} inputs in ${
    (milliseconds / 60_000).toFixed(1)
  } min, ${each.toFixed(0)} a second, ${failures.size} kinds of failures`;
}

function keep(seed: number, number: number): void {
  const path = `fuzz-${seed}-${number}.o`;
  Deno.writeFileSync(path, inputOf(seedObjects(), seed, number).bytes);
  console.log(`kept as ${path}`);
}
