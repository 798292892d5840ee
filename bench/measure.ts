/**
 * What the benchmarks share: samples, their median, and running one measuring process.
 *
 * @module
 */

/** One measured figure: each sample is one round. */
export interface Measurement {
  /** `"open"`, `"ring"`, … */
  readonly name: string;
  /** `"us"` or `"ns"`. */
  readonly unit: "us" | "ns";
  /** In the order of measuring; the first one is the first in its process. */
  readonly samples: readonly number[];
}

/** The middle of the samples. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1
    ? sorted[middle] as number
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** Nanoseconds since some moment, as precise as Deno gives it. */
export function nanoseconds(): number {
  return performance.now() * 1e6;
}

/**
 * Runs a measuring process and parses its lines of JSON; lines that are no JSON are passed over.
 * Throws with the process's own words when it fails.
 */
export async function measured(
  command: readonly string[],
  environment: Record<string, string> = {},
): Promise<Measurement[]> {
  const [program, ...args] = command;
  const output = await new Deno.Command(program as string, {
    args,
    env: environment,
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!output.success) {
    throw new Error(`${command.join(" ")}: ${new TextDecoder().decode(output.stderr).trim()}`);
  }
  return new TextDecoder().decode(output.stdout).split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}

/** Joins the samples of several processes that measured the same things. */
export function joined(runs: readonly (readonly Measurement[])[]): Map<string, Measurement> {
  const all = new Map<string, Measurement>();
  for (const measurement of runs.flat()) {
    const before = all.get(measurement.name);
    all.set(measurement.name, {
      ...measurement,
      samples: [...(before?.samples ?? []), ...measurement.samples],
    });
  }
  return all;
}

/**
 * Starts a process that reports exec events, and answers the microseconds until it wrote its first
 * line, while short processes are started all the time so that there is something to see.
 */
export async function untilFirstLine(command: readonly string[]): Promise<number> {
  const [program, ...args] = command;
  const start = nanoseconds();
  const process = new Deno.Command(program as string, {
    args,
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let over = false;
  const bait = (async () => {
    while (!over) await new Deno.Command("true").output();
  })();
  const reader = process.stdout.getReader();
  try {
    const { done } = await reader.read();
    if (done) throw new Error(`${command.join(" ")} ended without a line`);
    return (nanoseconds() - start) / 1e3;
  } finally {
    over = true;
    await bait;
    try {
      process.kill("SIGINT");
    } catch {
      // It ends by itself after the first event.
    }
    await reader.cancel();
    await process.status;
  }
}
