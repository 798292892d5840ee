/**
 * Test results on one kernel, stored in `tests/vm/results/`, from which `docs/kernels.md` is
 * generated.
 *
 * @module
 */

import { cases, skipReason } from "../support/report.ts";

/** Outcome of one test. `refused` is for hooks that are known not to attach with a token. */
export type Outcome = "passed" | "failed" | `skipped: ${string}` | `refused: ${string}`;

/** Test results on one kernel. */
export interface KernelResults {
  /** Release as in `uname -r`. */
  readonly release: string;
  /** Whether the kernel ran in a guest rather than on this machine. */
  readonly guest: boolean;
  /** Outcomes of tests run as root, by name. */
  readonly tests: { readonly [name: string]: Outcome };
  /** Outcomes of hook tests run with only a token, by name. */
  readonly withToken: { readonly [name: string]: Outcome };
}

/** Directory of the stored results. */
export const resultsFolder: URL = new URL("results/", import.meta.url);

/** Returns a test's name without its skip reason. */
export function bareName(name: string): string {
  return name.replace(/ [[(]skipped: .*[\])]$/, "");
}

/** Reads the outcomes of a JUnit report. */
export function readOutcomes(junit: string): { [name: string]: Outcome } {
  const outcomes: { [name: string]: Outcome } = {};
  for (const { name, outcome } of cases(junit)) {
    outcomes[bareName(name)] = outcome === "skipped" ? `skipped: ${skipReason(name)}` : outcome;
  }
  return outcomes;
}

/** Formats results as a file, sorted by name so that runs can be compared. */
export function resultsText(results: KernelResults): string {
  const sorted = <T>(record: { readonly [name: string]: T }): { [name: string]: T } =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
  const { release, guest, tests, withToken } = results;
  return `${
    JSON.stringify({ release, guest, tests: sorted(tests), withToken: sorted(withToken) }, null, 2)
  }\n`;
}

/** Reads all stored results, by file name. */
export async function keptResults(): Promise<Map<string, KernelResults>> {
  const found = new Map<string, KernelResults>();
  for await (const { name } of Deno.readDir(resultsFolder)) {
    if (!name.endsWith(".json")) continue;
    const text = await Deno.readTextFile(new URL(name, resultsFolder));
    found.set(name.slice(0, -".json".length), JSON.parse(text));
  }
  return found;
}

/** Returns the name of the results file: a guest's release, or `here`. */
export function resultsName({ release, guest }: KernelResults): string {
  return guest ? /^\d+\.\d+/.exec(release)?.[0] ?? release : "here";
}
