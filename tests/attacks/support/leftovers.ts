/**
 * The child of `leftovers_test.ts`, in a network namespace of its own: workers and reloads that end while they have
 * programs attached. Prints one line for each harm: `leftovers.ts terminate|close|watch`.
 *
 * @module
 */

import { linuxKernel } from "../../../mod.ts";

const kernel = linuxKernel();
const ROUNDS = 5;
const service = new URL("./attaches.ts", import.meta.url);

/** Returns the number of BPF descriptors (maps, programs, links) of a process. */
function bpfDescriptors(pid: string): number {
  return (kernel.readDirectory(`/proc/${pid}/fd`) ?? [])
    .map((fd) => kernel.readLink(`/proc/${pid}/fd/${fd}`) ?? "")
    .filter((to) => /bpf/.test(to)).length;
}

function report(outcomes: readonly string[], descriptors: readonly number[]): void {
  const wrong = outcomes.filter((outcome) => outcome !== "attached");
  if (wrong.length > 0) {
    console.log(`${wrong.length} of ${outcomes.length} starts: ${wrong[0]}`);
  }
  const [first = 0, last = 0] = [descriptors[0], descriptors.at(-1)];
  if (last > first) {
    console.log(`${last} descriptors after ${descriptors.length} starts, ${first} after the first`);
  }
}

/** Starts a worker that attaches a program, then ends it. */
async function workers(how: "terminate" | "close"): Promise<void> {
  const outcomes: string[] = [];
  const descriptors: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const worker = new Worker(
      how === "close" ? new URL("./attaches_and_closes.ts", import.meta.url) : service,
      { type: "module" },
    );
    outcomes.push(
      await new Promise<string>((resolve) => {
        worker.onmessage = ({ data }: MessageEvent<string>): void => resolve(data);
      }),
    );
    descriptors.push(bpfDescriptors("self"));
    if (how === "terminate") worker.terminate();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  report(outcomes, descriptors);
}

/** Repeatedly changes a file that `deno run --watch` watches. */
async function watch(): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const main = `${folder}/main.ts`;
  const config = new URL("../../../deno.json", import.meta.url).pathname;
  const touch = (round: number): void =>
    Deno.writeTextFileSync(main, `import ${JSON.stringify(service.href)}; // ${round}\n`);
  touch(0);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--watch", "--config", config, main],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    env: { NO_COLOR: "1" },
  }).spawn();
  const outcomes: string[] = [];
  const descriptors: number[] = [];
  try {
    const lines = child.stdout.pipeThrough(new TextDecoderStream());
    let round = 0;
    let text = "";
    for await (const piece of lines) {
      text += piece;
      const whole = text.split("\n");
      text = whole.pop() ?? "";
      for (const line of whole) {
        outcomes.push(line);
        descriptors.push(bpfDescriptors(`${child.pid}`));
        if (++round < ROUNDS) {
          await new Promise((resolve) => setTimeout(resolve, 300));
          touch(round);
        }
      }
      if (round >= ROUNDS) break;
    }
  } finally {
    child.kill("SIGKILL");
    await child.status;
    Deno.removeSync(folder, { recursive: true });
  }
  report(outcomes, descriptors);
}

const [how] = Deno.args;
if (how === "watch") await watch();
else await workers(how === "close" ? "close" : "terminate");
console.log("done");
Deno.exit(0);
