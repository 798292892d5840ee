/**
 * Measures skep side by side with its peers and writes the table of ratios into `bench/README.md`.
 *
 * `deno task bench` builds the peers (libbpf in C; cilium/ebpf in Go) where their compiler and
 * packages are installed, and otherwise prints that they are skipped. Every figure is measured in a
 * separate process, alternating with the peers, for several rounds. Since the machine is shared, only
 * ratios of one run are meaningful.
 *
 * @module
 */

import { joined, measured, type Measurement, median, untilFirstLine } from "./measure.ts";

const here = new URL(".", import.meta.url).pathname;
const benchObject = `${here}bpf/bench.bpf.o`;

/** One row of the table: the arguments of our program and of the peers. */
interface Row {
  /** Title of the row. */
  readonly title: string;
  /** The mode and its arguments, the same for all programs. */
  readonly words: readonly string[];
  /** Which measurement of the mode's output to take. */
  readonly name: string;
  /** Which samples to take: the first in a process, the later ones, or all. */
  readonly take: "first" | "later" | "all";
  /** An object file that may be absent. */
  readonly needs?: string | undefined;
}

const execsnoop = `${here}../examples/execsnoop/execsnoop.bpf.o`;
const corpus = `${here}../../shared/corpus/objs/`;

const loads: readonly (readonly [title: string, path: string])[] = [
  ["xdp-dispatcher (plain, 16 KB)", `${corpus}libxdp1.bookworm/xdp-dispatcher.o`],
  ["execsnoop (ours, CO-RE)", execsnoop],
  ["tcpstates (bcc, CO-RE, 22 KB)", `${corpus}libbpf-tools.bookworm/tcpstates.00.bpf.o`],
  ["opensnoop (bcc, CO-RE, 55 KB)", `${corpus}libbpf-tools.bookworm/opensnoop.00.bpf.o`],
  ["test_tc_tunnel (19 programs)", `${corpus}selftests-7.2/test_tc_tunnel.bpf.o`],
  ["profiler1 (8 programs, CO-RE)", `${corpus}selftests-7.2/profiler1.bpf.o`],
];

const rows: readonly Row[] = [
  ...loads.map(([title, path]): Row => (
    {
      title: `open ${title}`,
      words: ["open", path, "400"],
      name: "open",
      take: "later",
      needs: path,
    }
  )),
  ...loads.flatMap(([title, path]): Row[] => [
    {
      title: `open + load ${title}, first in the process`,
      words: ["load", path, path.includes("profiler") ? "40" : "200"],
      name: "load",
      take: "first",
      needs: path,
    },
    {
      title: `open + load ${title}, warm code, kernel BTF read anew`,
      words: ["load", path, path.includes("profiler") ? "40" : "200"],
      name: "load_fresh",
      take: "later",
      needs: path,
    },
    {
      title: `open + load ${title}, again`,
      words: ["load", path, path.includes("profiler") ? "40" : "200"],
      name: "load",
      take: "later",
      needs: path,
    },
  ]),
  {
    title: "whole process, start to first exec event (execsnoop)",
    words: ["first"],
    name: "first",
    take: "all",
  },
  {
    title: "kernel BTF: index + find task_struct, first",
    words: ["btf", "60"],
    name: "btf",
    take: "first",
  },
  {
    title: "kernel BTF: index + find task_struct, again (no cache)",
    words: ["btf", "60"],
    name: "btf",
    take: "later",
  },
  {
    title: "ring buffer: zero-copy consume, per event",
    words: ["ring", benchObject, "6", "1000000"],
    name: "ring",
    take: "later",
  },
  {
    title: "ring buffer: decoded to objects, per event",
    words: ["ring", benchObject, "6", "1000000"],
    name: "ring_decoded",
    take: "later",
  },
  {
    title: "wake-up: record submitted to reader called, main thread",
    words: ["wake", benchObject, "400"],
    name: "wake",
    take: "later",
  },
  {
    title: "wake-up: the same in a dedicated worker",
    words: ["wake", benchObject, "400"],
    name: "wake_worker",
    take: "later",
  },
  { title: "hash map: look-up", words: ["map", benchObject, "8"], name: "lookup", take: "later" },
  { title: "hash map: update", words: ["map", benchObject, "8"], name: "update", take: "later" },
  {
    title: "hash map: iterate, per element",
    words: ["map", benchObject, "8"],
    name: "iterate",
    take: "later",
  },
  {
    title: "hash map: batch look-up, per element",
    words: ["map", benchObject, "8"],
    name: "batch_lookup",
    take: "later",
  },
];

/** A program that measures: ours or a peer's. */
interface Runner {
  readonly name: string;
  readonly command: readonly string[];
  /** Command that loads execsnoop, attaches it, and prints a line for the first event. */
  readonly first?: readonly string[] | undefined;
}

const rounds = Number(Deno.args.find((word) => /^\d+$/.test(word)) ?? 3);
const runners = await findRunners();
const words = [...new Map(rows.map((row) => [row.words.join(" "), row])).values()];
const results = new Map<string, Map<string, Measurement>>();
for (const row of words) {
  if (row.words[0] === "first") continue;
  if (row.needs !== undefined && !await exists(row.needs)) {
    say(`skip: ${row.title}: the object is not present`);
    continue;
  }
  const runs = new Map<string, Measurement[][]>();
  for (let round = 0; round < rounds; round++) {
    for (const runner of runners) {
      try {
        const list = runs.get(runner.name) ?? [];
        list.push(await measured([...runner.command, ...row.words]));
        runs.set(runner.name, list);
      } catch (error) {
        if (round === 0) say(`${runner.name} cannot: ${row.words.join(" ")}: ${oneLine(error)}`);
        if (runner.name === "skep") throw error;
      }
    }
  }
  for (const [name, list] of runs) {
    const firsts = joined(
      list.map((run) => run.map((one) => ({ ...one, samples: one.samples.slice(0, 1) }))),
    );
    const laters = joined(
      list.map((run) => run.map((one) => ({ ...one, samples: one.samples.slice(1) }))),
    );
    for (const [key, value] of firsts) store(name, row, key, "first", value);
    for (const [key, value] of laters) store(name, row, key, "later", value);
  }
  say(`measured: ${row.words[0]} ${row.words[1]?.split("/").at(-1) ?? ""}`);
}

for (const runner of runners) {
  if (runner.first === undefined) continue;
  const samples: number[] = [];
  // Not measured: the first run compiles and caches the modules, which happens only once.
  await untilFirstLine(runner.first);
  for (let round = 0; round < rounds * 3; round++) samples.push(await untilFirstLine(runner.first));
  const all = results.get(runner.name) ?? new Map<string, Measurement>();
  all.set("first first all", { name: "first", unit: "us", samples });
  results.set(runner.name, all);
}
say("measured: first event of a new process");

const table = makeTable();
say(table);
await writeReadme(table);

function store(runner: string, row: Row, name: string, take: string, value: Measurement): void {
  const all = results.get(runner) ?? new Map<string, Measurement>();
  all.set(`${row.words.join(" ")} ${name} ${take}`, value);
  results.set(runner, all);
}

function makeTable(): string {
  const names = runners.map((runner) => runner.name);
  const peers = names.filter((name) => name !== "skep");
  const lines = [
    `| figure | ${names.join(" | ")} | ${peers.map((peer) => `skep ÷ ${peer}`).join(" | ")} |`,
    `| --- |${" ---: |".repeat(names.length + peers.length)}`,
  ];
  for (const row of rows) {
    const key = `${row.words.join(" ")} ${row.name} ${row.take}`;
    const ours = results.get("skep")?.get(key);
    if (ours === undefined) continue;
    // The peer's callback returns bytes, so decoding is compared with its plain consume; and libbpf
    // reads kernel BTF anew for every object.
    const peerKey = key.replace("ring_decoded", "ring").replace("load_fresh", "load")
      .replace("wake_worker", "wake");
    const own = median(ours.samples);
    const cells = names.map((name) => {
      const value = results.get(name)?.get(name === "skep" ? key : peerKey);
      return value === undefined ? "–" : `${format(median(value.samples))} ${value.unit}`;
    });
    const ratios = peers.map((peer) => {
      const value = results.get(peer)?.get(peerKey);
      return value === undefined ? "–" : (own / median(value.samples)).toFixed(2);
    });
    lines.push(`| ${row.title} | ${[...cells, ...ratios].join(" | ")} |`);
  }
  return lines.join("\n");
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(value >= 10 ? 1 : 2);
}

async function findRunners(): Promise<Runner[]> {
  const denoRun = [Deno.execPath(), "run", "--quiet", "-A", "--no-check"];
  const found: Runner[] = [
    {
      name: "skep",
      command: [...denoRun, `${here}ours.ts`],
      first: [...denoRun, `${here}../cli/mod.ts`, "run", execsnoop, "--json", "--token", "none"],
    },
  ];
  const build = `${here}peers/build`;
  await Deno.mkdir(build, { recursive: true });
  // `deno task bench --libbpf DIR`: a directory with include/ and libbpf.a of a newer libbpf than
  // Debian's.
  const at = Deno.args.indexOf("--libbpf");
  const folder = at < 0 ? undefined : Deno.args[at + 1];
  const library = folder === undefined ? ["-lbpf"] : [`-I${folder}/include`, `${folder}/libbpf.a`];
  const c = await run("gcc", [
    "-O2",
    "-o",
    `${build}/libbpf_peer`,
    `${here}peers/libbpf_peer.c`,
    ...library,
    "-lelf",
    "-lz",
    "-pthread",
  ]);
  if (c === undefined) {
    const version = await new Deno.Command(`${build}/libbpf_peer`, { args: ["version"] }).output();
    found.push({
      name: `libbpf ${new TextDecoder().decode(version.stdout).trim().replace("v", "")}`,
      command: [`${build}/libbpf_peer`],
      first: [`${build}/libbpf_peer`, "first", execsnoop],
    });
  } else say(`skip: libbpf: ${c} (needs gcc, libbpf-dev, libelf-dev, zlib1g-dev)`);
  const go = await run("go", ["build", "-o", `${build}/cilium_peer`, "."], {
    cwd: `${here}peers/cilium`,
    env: {
      GO111MODULE: "off",
      GOPATH: "/usr/share/gocode",
      GOFLAGS: "",
      GOCACHE: `${build}/gocache`,
    },
  });
  if (go === undefined) found.push({ name: "cilium/ebpf", command: [`${build}/cilium_peer`] });
  else say(`skip: cilium/ebpf: ${go} (needs golang-go, golang-github-cilium-ebpf-dev)`);
  return found;
}

/** Runs a build; returns why it failed, or undefined. */
async function run(
  program: string,
  args: string[],
  options: Deno.CommandOptions = {},
): Promise<string | undefined> {
  try {
    const output = await new Deno.Command(program, {
      ...options,
      args,
      stdout: "piped",
      stderr: "piped",
    }).output();
    return output.success ? undefined : oneLine(new TextDecoder().decode(output.stderr));
  } catch (error) {
    return oneLine(error);
  }
}

function oneLine(value: unknown): string {
  return (value instanceof Error ? value.message : String(value)).trim().split("\n")[0] ?? "";
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program for people
  console.log(text);
}

async function writeReadme(table: string): Promise<void> {
  const path = `${here}README.md`;
  const text = await Deno.readTextFile(path);
  const [before, rest] = text.split("<!-- table -->\n");
  const after = rest?.split("<!-- end -->")[1];
  if (before === undefined || after === undefined) {
    throw new Error(`${path} has no marker for the table`);
  }
  const facts = `${
    new Date().toISOString().slice(0, 10)
  }, Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}, ${rounds} processes each, medians.`;
  await Deno.writeTextFile(
    path,
    `${before}<!-- table -->\n${facts}\n\n${table}\n<!-- end -->${after}`,
  );
  // `deno fmt --check` requires aligned columns.
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", path] }).output();
}
