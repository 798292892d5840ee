/**
 * Statistics of a campaign: inputs by maker, fields reached, outcomes of steps, the slowest input.
 *
 * @module
 */

import type { Input, Trial } from "./campaign.ts";
import { Outcomes } from "./layers.ts";
import { ALL_LABELS } from "./structure/fields.ts";

/** Plain data, to send from the worker. */
export interface TallyData {
  /** Inputs tried. */
  readonly inputs: number;
  /** Inputs by maker, and how many of them parsed as objects. */
  readonly makers: { readonly [maker: string]: readonly [inputs: number, objects: number] };
  /** Changes of each field and step, and how many of those inputs parsed as objects. */
  readonly reached: { readonly [label: string]: readonly [inputs: number, objects: number] };
  /** Results and errors of each step. */
  readonly steps: {
    readonly [step: string]: { readonly result: number; readonly refused: number };
  };
  /** Milliseconds of the slowest input, and its number. */
  readonly slowest: readonly [milliseconds: number, number: number];
  /** Microseconds per byte of the most expensive input, and its number. */
  readonly dearest: readonly [microseconds: number, number: number];
}

/** Counts. */
export class Tally {
  #inputs = 0;
  readonly #makers: Map<string, [number, number]> = new Map();
  readonly #reached: Map<string, [number, number]> = new Map();
  readonly #outcomes: Outcomes = new Outcomes();
  #slowest: [number, number] = [0, -1];
  #dearest: [number, number] = [0, -1];

  /** Counts one input. */
  add(number: number, input: Input, { outcomes, milliseconds }: Trial): void {
    this.#inputs++;
    const isObject = (outcomes.steps.get("object")?.result ?? 0) > 0;
    count(this.#makers, input.maker, isObject);
    for (const label of new Set(input.reached)) count(this.#reached, label, isObject);
    this.#outcomes.add(outcomes);
    if (milliseconds > this.#slowest[0]) this.#slowest = [milliseconds, number];
    const each = milliseconds * 1000 / Math.max(1024, input.bytes.length);
    if (each > this.#dearest[0]) this.#dearest = [each, number];
  }

  /** Returns the counts as plain data. */
  data(): TallyData {
    return {
      inputs: this.#inputs,
      makers: Object.fromEntries(this.#makers),
      reached: Object.fromEntries(this.#reached),
      steps: Object.fromEntries(this.#outcomes.steps),
      slowest: this.#slowest,
      dearest: this.#dearest,
    };
  }
}

function count(into: Map<string, [number, number]>, label: string, isObject: boolean): void {
  const counts = into.get(label) ?? [0, 0];
  counts[0]++;
  if (isObject) counts[1]++;
  into.set(label, counts);
}

/** Formats the counts as text. */
export function tallyText(data: TallyData): string {
  const lines = [`${data.inputs} inputs`];
  for (const [maker, [inputs, objects]] of Object.entries(data.makers)) {
    lines.push(`  ${maker}: ${inputs}, of which ${objects} parse as objects`);
  }
  lines.push("steps (results, refusals):");
  for (const [step, { result, refused }] of Object.entries(data.steps)) {
    lines.push(`  ${step}: ${result}, ${refused}`);
  }
  const fields = ALL_LABELS.filter((label) => data.reached[label] !== undefined);
  const missed = ALL_LABELS.filter((label) => data.reached[label] === undefined);
  lines.push(`${fields.length} of ${ALL_LABELS.length} fields reached (inputs, of which objects):`);
  for (const [label, [inputs, objects]] of Object.entries(data.reached).sort()) {
    lines.push(`  ${label}: ${inputs}, ${objects}`);
  }
  if (missed.length > 0) lines.push(`not reached: ${missed.join(", ")}`);
  const [milliseconds, slowest] = data.slowest;
  const [microseconds, dearest] = data.dearest;
  lines.push(`slowest: ${milliseconds.toFixed(1)} ms (input ${slowest})`);
  lines.push(`dearest: ${microseconds.toFixed(2)} us per byte (input ${dearest})`);
  return lines.join("\n");
}
