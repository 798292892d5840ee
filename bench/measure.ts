/**
 * Shared by the benchmarks: samples, their median, and running a measuring process.
 *
 * @module
 */

/** One figure; each sample is one round. */
export interface Measurement {
  /** Name of the figure: `"open"`, `"ring"`, … */
  readonly name: string;
  /** Unit of the samples. */
  readonly unit: "us" | "ns";
  /** Samples in order of measurement; the first is the first in its process. */
  readonly samples: readonly number[];
}

/** Returns the median of the samples. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1
    ? sorted[middle] as number
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** Returns a monotonic time in nanoseconds, as precise as Deno provides. */
export function nanoseconds(): number {
  return performance.now() * 1e6;
}

/**
 * Runs a measuring process and parses its JSON lines; ignores other lines.
 *
 * @throws {Error} with the output of the process when it fails.
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

/** Joins the samples of several processes that measured the same figures. */
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
 * Starts a process that reports exec events, while short processes are started continuously.
 * Returns the microseconds until its first line of output.
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
      // The process ends after the first event.
    }
    await reader.cancel();
    await process.status;
  }
}
