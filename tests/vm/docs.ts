/**
 * Generates `docs/kernels.md` from the stored results and `loader/requirements.ts`: `deno task
 * docs:kernels`.
 *
 * @module
 */

import {
  type HookName,
  type RequirementKind,
  requirementOf,
  requirements,
} from "../../loader/features/requirements.ts";
import { hookRows, hooksWithoutRow } from "./hooks_table.ts";
import { keptResults, type KernelResults, type Outcome } from "./results.ts";

/** The page. */
export const page: URL = new URL("../../docs/kernels.md", import.meta.url);

const TITLES: { readonly [kind in RequirementKind]: string } = {
  hook: "Ways to attach",
  map: "Map types",
  program: "Program types",
  attach: "Attach types",
  command: "Commands of bpf(2)",
  ability: "Everything else",
};

/**
 * Returns the text of the page.
 *
 * @throws {Error} when a result is missing.
 */
export function pageText(results: ReadonlyMap<string, KernelResults>): string {
  const kernels = [...results.values()].sort(inOrder);
  const notes = new Notes();
  const table = hookTable(kernels, notes);
  return `# Kernels

skep runs on Linux 6.1 and newer. The tests run on the kernels below: Debian's own, booted in QEMU by
\`deno task test:vm\`, and the machine on which skep is built. This page is written by
\`deno task docs:kernels\` from what came out; do not edit it.

${kernels.map(describe).join("\n")}

A test that is skipped in a guest has to prove by the kernel's release or its configuration that the
feature cannot be there; otherwise the run fails.

## What attaches where

One test for each row attaches a program and sees its event: a packet counted, a call recorded, a verdict
enforced. As *root*, and by a process that has nothing but a *token*: unprivileged outside, root of its own
user namespace, every word delegated.

${table}

${notes.text()}

Kinds without a row: ${
    Object.entries(hooksWithoutRow).map(([hook, why]) => `\`${hook}\` ${why}`).join("; ")
  }.

## Since which Linux

The first release of kernel.org that has it. Distributions bring some of it to older kernels, so nothing is
decided by these numbers: they are what an error says when the kernel turns out not to have something. Each
of the names is held against the types of the kernels above.

${(Object.keys(TITLES) as RequirementKind[]).map(requirementTable).join("\n\n")}
`;
}

/** Sorts guests by release, and this machine last. */
function inOrder(one: KernelResults, other: KernelResults): number {
  if (one.guest !== other.guest) return one.guest ? -1 : 1;
  return one.release.localeCompare(other.release, "en", { numeric: true });
}

function describe(results: KernelResults): string {
  const outcomes = Object.values(results.tests);
  const count = (start: string): number =>
    outcomes.filter((outcome) => outcome.startsWith(start)).length;
  return `- **${heading(results)}**: ${results.release}; ${count("passed")} tests passed, ${
    count("failed")
  } failed, ${count("skipped")} skipped`;
}

function heading({ release, guest }: KernelResults): string {
  const short = /^\d+\.\d+/.exec(release)?.[0] ?? release;
  return guest ? short : `build machine, ${short}`;
}

/** Numbered reasons below the table. */
class Notes {
  readonly #notes: string[] = [];

  /** Returns the mark of a reason. */
  mark(reason: string): string {
    let index = this.#notes.indexOf(reason);
    if (index < 0) index = this.#notes.push(reason) - 1;
    return `[${index + 1}]`;
  }

  text(): string {
    return this.#notes.map((note, index) => `${index + 1}. ${note}`).join("\n");
  }
}

function hookTable(kernels: readonly KernelResults[], notes: Notes): string {
  const head = kernels.flatMap((kernel) => [`${heading(kernel)}, root`, "token"]);
  const lines = [
    `| | ${head.join(" | ")} |`,
    `|---|${head.map(() => "---|").join("")}`,
  ];
  for (const { title, test } of hookRows) {
    const cells = kernels.flatMap((kernel) => [
      cell(kernel, test, kernel.tests[test], notes),
      cell(kernel, test, tokenOutcome(kernel, test), notes),
    ]);
    lines.push(`| ${title} | ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}

const TOKEN_TEST = "every hook sees its event with a token, or is refused as planned";

function tokenOutcome(kernel: KernelResults, test: string): Outcome | undefined {
  const asRoot = kernel.tests[test];
  // A feature that the kernel lacks counts as missing with a token too.
  if (asRoot?.startsWith("skipped: ")) return asRoot;
  const whole = kernel.tests[TOKEN_TEST];
  return whole?.startsWith("skipped: ") ? whole : kernel.withToken[test];
}

function cell(
  kernel: KernelResults,
  test: string,
  outcome: Outcome | undefined,
  notes: Notes,
): string {
  if (outcome === "passed") return "pass";
  if (outcome === "failed") return "**fails**";
  if (outcome?.startsWith("refused: ")) {
    return `refused ${notes.mark(outcome.slice("refused: ".length))}`;
  }
  if (outcome?.startsWith("skipped: ")) {
    const reason = outcome.slice("skipped: ".length).replace(/, this is .*$/, "");
    return `not available ${notes.mark(reason)}`;
  }
  throw new Error(`Linux ${kernel.release} has no result of "${test}": deno task test:vm --keep`);
}

function requirementTable(kind: RequirementKind): string {
  const lines = [`### ${TITLES[kind]}`, "", "| | Linux | built with | |", "|---|---|---|---|"];
  for (const name of Object.keys(requirements[kind])) {
    const requirement = requirementOf(kind, name);
    if (requirement === undefined) continue;
    const { linux, built = [], note = "" } = requirement;
    lines.push(`| \`${name}\` | ${linux} | ${built.join(", ")} | ${note} |`);
  }
  return lines.join("\n");
}

/** Returns hook kinds that the table neither shows nor explains. */
export function forgottenHooks(): HookName[] {
  const shown = new Set<string>(hookRows.map(({ hook }) => hook));
  return (Object.keys(requirements.hook) as HookName[])
    .filter((hook) => !shown.has(hook) && hooksWithoutRow[hook] === undefined);
}

if (import.meta.main) await Deno.writeTextFile(page, pageText(await keptResults()));
