/**
 * What the tests came to on one kernel: kept in `tests/vm/results/`, from which `docs/kernels.md` is
 * written.
 *
 * @module
 */

import { cases, skipReason } from "../support/report.ts";

/** How one test ended. `refused` is for programs that a token cannot attach, as they are known to be. */
export type Outcome = "passed" | "failed" | `skipped: ${string}` | `refused: ${string}`;

/** What the tests came to on one kernel. */
export interface KernelResults {
  /** As `uname -r` says it. */
  readonly release: string;
  /** Whether the kernel is a guest's, or this machine's own. */
  readonly guest: boolean;
  /** Tests by name, run as root. */
  readonly tests: { readonly [name: string]: Outcome };
  /** Tests of hooks by name, run by a process that has nothing but a token. */
  readonly withToken: { readonly [name: string]: Outcome };
}

/** Where results are kept. */
export const resultsFolder: URL = new URL("results/", import.meta.url);

/** A test's name without the reason for which it is skipped. */
export function bareName(name: string): string {
  return name.replace(/ [[(]skipped: .*[\])]$/, "");
}

/** The outcomes that a JUnit report tells. */
export function readOutcomes(junit: string): { [name: string]: Outcome } {
  const outcomes: { [name: string]: Outcome } = {};
  for (const { name, outcome } of cases(junit)) {
    outcomes[bareName(name)] = outcome === "skipped" ? `skipped: ${skipReason(name)}` : outcome;
  }
  return outcomes;
}

/** The results as a file's text: names in order, so that two runs can be compared. */
export function resultsText(results: KernelResults): string {
  const sorted = <T>(record: { readonly [name: string]: T }): { [name: string]: T } =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
  const { release, guest, tests, withToken } = results;
  return `${
    JSON.stringify({ release, guest, tests: sorted(tests), withToken: sorted(withToken) }, null, 2)
  }\n`;
}

/** All results that are kept, by the name of their file. */
export async function keptResults(): Promise<Map<string, KernelResults>> {
  const found = new Map<string, KernelResults>();
  for await (const { name } of Deno.readDir(resultsFolder)) {
    if (!name.endsWith(".json")) continue;
    const text = await Deno.readTextFile(new URL(name, resultsFolder));
    found.set(name.slice(0, -".json".length), JSON.parse(text));
  }
  return found;
}

/** The name of the results' file: a guest's release, or `here`. */
export function resultsName({ release, guest }: KernelResults): string {
  return guest ? /^\d+\.\d+/.exec(release)?.[0] ?? release : "here";
}
