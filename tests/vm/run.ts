/**
 * Runs the kernel and token tests on other kernels, one guest after the other.
 *
 *     deno task test:vm                     # 6.1, 6.12 and the newest
 *     deno task test:vm 6.12                # one
 *     deno task test:vm here                # this machine's own kernel, without a guest
 *     deno task test:vm --keep 6.12         # and keeps what came out for docs/kernels.md
 *     deno task test:vm 6.12 tests/kernel   # some of the tests
 *
 * A test that is skipped in a guest for another reason than that the kernel is too old or built without
 * is a failure. The last line counts: `N passed, N failed, N skipped`.
 *
 * @module
 */

import { obtainKernel } from "./kernels.ts";
import { runMachine } from "./machine.ts";
import {
  type KernelResults,
  readOutcomes,
  resultsFolder,
  resultsName,
  resultsText,
} from "./results.ts";
import { unprovedSkips } from "./skips.ts";
import { withoutUndefined } from "../../errors/without_undefined.ts";

const root = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");

/** The kernels of a run without arguments: the oldest supported, the current, and the newest. */
const KERNELS = ["6.1", "6.12", "auto"];

/** Tests that run in a guest. The pure layers do not depend on the kernel. */
const TESTS = ["kernel", "loader", "tests/kernel", "tests/token"];

/** An emulated machine without KVM is twenty to forty times slower. */
const LONGEST_MINUTES = 40;

interface Tally {
  passed: number;
  failed: string[];
  skipped: number;
}

async function main(args: readonly string[]): Promise<number> {
  const keep = args.includes("--keep");
  const words = args.filter((word) => /^(\d[\w.+-]*|auto|here)$/.test(word));
  const within = args.filter((word) => !words.includes(word) && !word.startsWith("--"));
  const total: Tally = { passed: 0, failed: [], skipped: 0 };
  for (const word of words.length > 0 ? words : KERNELS) {
    const tally = await testOn(word, within, keep);
    total.passed += tally.passed;
    total.failed.push(...tally.failed);
    total.skipped += tally.skipped;
  }
  console.log();
  for (const failure of total.failed) console.log(`failed: ${failure}`);
  console.log(
    `${total.passed} passed, ${total.failed.length} failed, ${total.skipped} skipped`,
  );
  return total.failed.length === 0 && total.passed > 0 ? 0 : 1;
}

async function testOn(word: string, within: readonly string[], keep: boolean): Promise<Tally> {
  const started = performance.now();
  const kernel = word === "here" ? undefined : await obtainKernel(word);
  const release = kernel?.version ?? Deno.osRelease();
  console.log(`\n== Linux ${release}`);
  const folder = await Deno.makeTempDir({ prefix: "skep-results-" });
  try {
    const command = [
      ...[Deno.execPath(), "test", "--no-check", "--allow-all", `--junit-path=${folder}/root.xml`],
      ...(within.length > 0 ? within : TESTS),
    ];
    const environment = withoutUndefined({
      SKEP_RESULTS: folder,
      SKEP_WITHOUT_CORPUS: "1",
      NO_COLOR: "1",
      SKEP_GUEST: kernel === undefined ? undefined : "1",
      TMPDIR: kernel === undefined ? undefined : "/dev/shm",
    });
    if (kernel === undefined) {
      await new Deno.Command(command[0] ?? "", {
        args: command.slice(1),
        cwd: root,
        env: environment,
      }).spawn().status;
    } else {
      await runMachine(kernel, {
        command: ["env", ...Object.entries(environment).map(([k, v]) => `${k}=${v}`), ...command],
        folder: root,
        shared: [folder],
        timeout: LONGEST_MINUTES * 60,
      });
    }
    const results: KernelResults = {
      release,
      guest: kernel !== undefined,
      tests: readOutcomes(await Deno.readTextFile(`${folder}/root.xml`)),
      withToken: JSON.parse(await Deno.readTextFile(`${folder}/token.json`).catch(() => "{}")),
    };
    if (keep) await keepResults(results, within.length > 0);
    const configuration = kernel === undefined
      ? undefined
      : await Deno.readTextFile(`${kernel.folder}/config`);
    const tally = summarise(results, configuration);
    console.log(`-- Linux ${release}: ${Math.round((performance.now() - started) / 1000)} s`);
    return tally;
  } catch (error) {
    return {
      passed: 0,
      failed: [`Linux ${release}: ${(error as Error).message}`],
      skipped: 0,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Writes the results to their file; merges those of a partial run. */
async function keepResults(results: KernelResults, part: boolean): Promise<void> {
  await Deno.mkdir(resultsFolder, { recursive: true });
  const file = new URL(`${resultsName(results)}.json`, resultsFolder);
  const before: Partial<KernelResults> = part
    ? JSON.parse(await Deno.readTextFile(file).catch(() => "{}"))
    : {};
  await Deno.writeTextFile(
    file,
    resultsText({
      ...results,
      tests: { ...before.tests, ...results.tests },
      withToken: { ...before.withToken, ...results.withToken },
    }),
  );
}

/** Prints the results on one kernel, with skip reasons summed up. */
function summarise(results: KernelResults, configuration: string | undefined): Tally {
  const { release, tests } = results;
  const entries = Object.entries(tests);
  const failed = entries.filter(([, outcome]) => outcome === "failed").map(([name]) => name);
  // A feature that the kernel lacks counts as missing with a token too.
  const withToken = Object.fromEntries(
    Object.entries(results.withToken)
      .filter(([name]) => tests[name]?.startsWith("skipped: ") !== true),
  );
  const unproved = configuration === undefined ? [] : [tests, withToken]
    .flatMap((outcomes) => unprovedSkips(release, configuration, outcomes));
  const skipped = entries.filter(([, outcome]) => outcome.startsWith("skipped: "));
  console.log();
  const reasons = Map.groupBy(skipped, ([, outcome]) => outcome.slice("skipped: ".length));
  for (const [reason, those] of reasons) console.log(`skipped ${those.length}: ${reason}`);
  const wrong = [...failed, ...unproved].map((text) => `Linux ${release}: ${text}`);
  for (const text of wrong) console.log(`failed: ${text}`);
  const tally = {
    passed: entries.filter(([, outcome]) => outcome === "passed").length,
    failed: wrong,
    skipped: skipped.length,
  };
  console.log(
    `Linux ${release}: ${tally.passed} passed, ${wrong.length} failed, ${tally.skipped} skipped`,
  );
  return tally;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
