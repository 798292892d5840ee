/**
 * Runs one part of the product in children: when one dies, the case that it died of is told and the next child
 * goes on behind it.
 *
 * @module
 */

/** What a part came to. */
export interface Outcome {
  /** Cases that ran. */
  readonly ran: number;
  /** Cases that did harm, with what they did. */
  readonly harms: readonly string[];
  /** The classes that instances were made of. */
  readonly classes: ReadonlySet<string>;
  /** Cases that took long. */
  readonly slow: readonly string[];
}

/** Without a line for so long, a case hangs. */
const HANG_MILLISECONDS = 20_000;
/** Harms after which a part is not continued: the tree is not mended, and each costs a process. */
const MOST_HARMS = 12;

interface Child {
  readonly lines: readonly string[];
  readonly signal: Deno.Signal | null;
  readonly code: number;
  readonly hung: boolean;
  readonly error: string;
}

async function child(
  args: readonly string[],
  through: readonly string[],
): Promise<Child> {
  const root = new URL("../../../../", import.meta.url);
  const [command = "", ...rest] = [
    ...through,
    "sh",
    "-c",
    'ip link set lo up; exec "$@"',
    "sh",
    Deno.execPath(),
    "run",
    "-A",
    "--no-check",
    "--config",
    new URL("deno.json", root).pathname,
    new URL("run.ts", import.meta.url).pathname,
    ...args,
  ];
  // What a case makes and leaves goes with the child.
  const scratch = await Deno.makeTempDir();
  const process = new Deno.Command(command, {
    args: rest,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", TMPDIR: scratch },
  }).spawn();
  let hung = false;
  const kill = (): void => {
    hung = true;
    process.kill("SIGKILL");
  };
  let timer = setTimeout(kill, HANG_MILLISECONDS);
  const error = new Response(process.stderr).text();
  let text = "";
  for await (const piece of process.stdout.pipeThrough(new TextDecoderStream())) {
    clearTimeout(timer);
    timer = setTimeout(kill, HANG_MILLISECONDS);
    text += piece;
  }
  clearTimeout(timer);
  const { signal, code } = await process.status;
  await Deno.remove(scratch, { recursive: true });
  return { lines: text.split("\n"), signal, code, hung, error: await error };
}

/** `BpfMap:array, frozen.set` of `BpfMap:array, frozen.set 0.flags NaN`. */
function memberOf(name: string): string {
  return /^(.*?) \d/.exec(name)?.[1] ?? name;
}

/** Runs the cases whose number leaves `shard` when it is divided by `shards`. */
export async function runShard(
  shard: number,
  shards: number,
  through: readonly string[],
): Promise<Outcome> {
  const harms: string[] = [];
  const slow: string[] = [];
  const classes = new Set<string>();
  let ran = 0;
  let from = 0;
  let broken = "";
  for (;;) {
    const { lines, signal, code, hung, error } = await child(
      [...[shard, shards, from].map(String), broken],
      through,
    );
    const started = lines.flatMap((line) => /^case (\d+) (.*)$/.exec(line) ?? []);
    ran += started.length / 3;
    harms.push(...lines.filter((line) => line.startsWith("harm ")).map((line) => line.slice(5)));
    slow.push(...lines.filter((line) => line.startsWith("slow ")).map((line) => line.slice(5)));
    for (const line of lines) if (line.startsWith("class ")) classes.add(line.slice(6));
    if (lines.some((line) => line.startsWith("done "))) {
      return { ran, harms, slow, classes };
    }
    const [number, name] = started.slice(-2);
    if (number === undefined) {
      harms.push(`no case ran from ${from} on: ${error.slice(0, 2000)}`);
      return { ran, harms, slow, classes };
    }
    if (hung) harms.push(`${name}: hangs`);
    else if (signal !== null || code > 128) {
      harms.push(`${name}: ended the process (${signal ?? `signal ${code - 128}`})`);
    } else if (code !== 0) harms.push(`${name}: ended the process: ${error.slice(0, 300)}`);
    from = Number(number) + 1;
    broken = memberOf(name ?? "");
    if (harms.length >= MOST_HARMS) {
      harms.push("and so on: stopped here");
      return { ran, harms, slow, classes };
    }
  }
}
