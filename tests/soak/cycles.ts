/**
 * Many cycles with faults: objects, sandboxes and broker requests that are made, used, and broken off at any
 * step. Counts descriptors, mounts, children and kernel objects before and after.
 *
 *     deno task soak:cycles                   # 10,000 of each (as root; ten minutes)
 *     deno task soak:cycles 500 objects       # 500 of one kind
 *
 * @module
 */

import { SkepError } from "../../errors/mod.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { BpfMap, BpfObject, openObject } from "../../loader/mod.ts";
import { Delegation, runInSandbox, serveBroker, withToken } from "../../token/mod.ts";

const kernel = linuxKernel();
const PRLIMIT64 = Deno.build.arch === "aarch64" ? 261 : 302;
const RLIMIT_NOFILE = 7;
/** Limit of further descriptors in a cycle with faults: 0 to 39. */
const ROOM = 40;

/** Counts compared before and after. */
interface Counts {
  readonly descriptors: number;
  readonly mounts: number;
  readonly children: number;
  readonly programs: number;
  readonly maps: number;
  readonly links: number;
}

function descriptors(): readonly string[] {
  return kernel.readDirectory("/proc/self/fd") ?? [];
}

/** Returns every open descriptor with its target. */
function openFiles(): string[] {
  return descriptors().map((fd) => `${fd}: ${kernel.readLink(`/proc/self/fd/${fd}`) ?? ""}`)
    .filter((file) => !/: \/proc|: $/.test(file));
}

function children(): number[] {
  const tasks = kernel.readDirectory("/proc/self/task") ?? [];
  return tasks.flatMap((task) => {
    const { bytes } = kernel.readFile(`/proc/self/task/${task}/children`, 65536);
    return new TextDecoder().decode(bytes).split(" ").filter((pid) => pid !== "").map(Number);
  });
}

/**
 * Returns the ids of all kernel objects of a kind, including those of other processes: run this on
 * a quiet machine.
 */
function objects(kind: "program" | "map" | "link"): number {
  let count = 0;
  for (let id = kernel.getNextId(kind, 0); id > 0; id = kernel.getNextId(kind, id)) count++;
  return count;
}

function counts(): Counts {
  const { bytes } = kernel.readFile("/proc/self/mountinfo");
  return {
    descriptors: descriptors().length,
    mounts: new TextDecoder().decode(bytes).split("\n").length,
    children: children().length,
    programs: objects("program"),
    maps: objects("map"),
    links: objects("link"),
  };
}

/** Limits open descriptors while a cycle runs, which causes EMFILE at any step. */
class DescriptorLimit implements Disposable {
  readonly #memory = BpfMap.create({
    type: "array",
    keySize: 4,
    valueSize: 64,
    maxEntries: 1,
    flags: 1 << 10,
  });

  readonly #soft: bigint;
  readonly #hard: bigint;

  constructor() {
    const { mapping } = this.#memory;
    kernel.call(PRLIMIT64, 0, RLIMIT_NOFILE, 0, mapping.address);
    [this.#soft = 0n, this.#hard = 0n] = mapping.big64;
  }

  set(soft: number | bigint): void {
    const { mapping } = this.#memory;
    mapping.big64.set([BigInt(soft), this.#hard], 0);
    const result = kernel.call(PRLIMIT64, 0, RLIMIT_NOFILE, mapping.address, 0);
    if (result < 0) throw new Error(`prlimit64: ${result}`);
  }

  /** Restores the limit. */
  lift(): void {
    this.set(this.#soft);
  }

  [Symbol.dispose](): void {
    this.lift();
    this.#memory[Symbol.dispose]();
  }
}

/** Returns reproducible random numbers (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
  };
}

type Outcomes = Map<string, number>;

function count(outcomes: Outcomes, outcome: string): void {
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
}

/** Runs one cycle; a typed error is an outcome, anything else ends the run. */
async function cycle(outcomes: Outcomes, body: () => Promise<void>): Promise<void> {
  try {
    await body();
    count(outcomes, "done");
  } catch (error) {
    if (!(error instanceof SkepError)) throw error;
    count(outcomes, error.errno ?? error.name);
  }
}

async function loadCycles(times: number, next: () => number, outcomes: Outcomes): Promise<void> {
  using limit = new DescriptorLimit();
  const bytes = await Deno.readFile(new URL("../fixtures/loading.bpf.o", import.meta.url));
  for (let time = 0; time < times; time++) {
    const spec = await openObject(bytes);
    if (next() < 0.5) limit.set(descriptors().length + Math.floor(next() * ROOM));
    await cycle(outcomes, async () => {
      using object = await BpfObject.load(spec, { token: false });
      using _link = object.programs.get("count").attach({ interface: "lo" });
      object.programs.get("count").testRun({ data: new Uint8Array(64), repeat: 1 });
      for (const map of object.maps) map.info();
    });
    limit.lift();
  }
}

async function sandboxCycles(times: number, next: () => number, outcomes: Outcomes): Promise<void> {
  using limit = new DescriptorLimit();
  const delegation = Delegation.of({ commands: ["map_create"], maps: ["hash"] });
  for (let time = 0; time < times; time++) {
    const fault = next();
    const end = new AbortController();
    if (fault < 0.3) limit.set(descriptors().length + Math.floor(next() * ROOM));
    // Kills any child at a random moment of the start.
    const timer = fault > 0.7
      ? setTimeout(() => {
        for (const pid of children()) kill(pid);
      }, next() * 12)
      : undefined;
    await cycle(outcomes, async () => {
      const { code } = await runInSandbox({
        delegation,
        command: ["true"],
        output: "piped",
        input: "null",
        signal: end.signal,
      });
      if (code !== 0) count(outcomes, `status ${code}`);
    });
    clearTimeout(timer);
    limit.lift();
  }
}

function kill(pid: number): void {
  const pidfd = kernel.processes.children.open(pid);
  if (pidfd < 0) return;
  kernel.processes.children.signal(pidfd, 9);
  kernel.close(pidfd);
}

async function brokerCycles(times: number, next: () => number, outcomes: Outcomes): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "skep-cycles-" });
  await Deno.chmod(folder, 0o755);
  const [socket, policy] = [`${folder}/broker.sock`, `${folder}/policy.json`];
  const rules = [{
    name: "maps",
    who: { owner: [0] },
    delegate: { commands: ["map_create"], maps: ["hash"] },
  }];
  const limits = { requestsPerMinute: 100_000, timeout: 2, connections: 64 };
  await Deno.writeTextFile(policy, JSON.stringify({ version: 2, rules, limits }));
  const stop = new AbortController();
  const ready = Promise.withResolvers<void>();
  const serving = serveBroker({
    socket,
    policy,
    audit: (line) => {
      const { event } = JSON.parse(line) as { event: string };
      count(outcomes, `audit: ${event}`);
    },
    signal: stop.signal,
    onReady: ready.resolve,
  });
  await ready.promise;
  let killer: ReturnType<typeof setInterval> | undefined;
  try {
    const answers = await withToken<{ [outcome: string]: number }>({
      delegation: Delegation.none,
      module: new URL("./cycles_client.ts", import.meta.url),
      function: "askMany",
      arguments: [socket, times],
      onStart: () => {
        // Kills children that enter the client's namespace at random steps.
        const own = new Set(children());
        killer = setInterval(() => {
          for (const pid of children()) if (!own.has(pid) && next() < 0.05) kill(pid);
        }, 3);
      },
    });
    for (const [outcome, n] of Object.entries(answers)) {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + n);
    }
  } finally {
    clearInterval(killer);
    stop.abort();
    await serving;
    await Deno.remove(folder, { recursive: true });
  }
}

const kinds: {
  readonly [kind: string]: (
    times: number,
    next: () => number,
    outcomes: Outcomes,
  ) => Promise<void>;
} = { objects: loadCycles, sandboxes: sandboxCycles, requests: brokerCycles };

if (import.meta.main) {
  const times = Number(Deno.args[0] ?? 10_000);
  const seed = Number(Deno.args[2] ?? 1);
  for (const [kind, run] of Object.entries(kinds)) {
    if (Deno.args[1] !== undefined && Deno.args[1] !== kind) continue;
    // Opens what is opened once and kept: descriptors of the poller and of the runtime's timers.
    await new Promise((resolve) => setTimeout(resolve, 1));
    await run(50, random(seed), new Map());
    const before = counts();
    const open = new Set(openFiles());
    const started = performance.now();
    const outcomes: Outcomes = new Map();
    await run(times, random(seed), outcomes);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const after = counts();
    console.log(JSON.stringify({
      kind,
      times,
      seed,
      seconds: Math.round((performance.now() - started) / 1000),
      outcomes: Object.fromEntries(outcomes),
      before,
      after,
      left: openFiles().filter((file) => !open.has(file)),
    }));
  }
}
