// Loads every object of the corpus, whole and program by program, and compares the answers with libbpf's.
//
//   deno task conform [--only TEXT] [--objects N] [--tables FOLDER] [CORPUS]
//
// Needs root. Works in a private mount namespace with an empty bpffs, as libbpf's runs did.
//
// The tables say what libbpf answered on the kernel that they were made on. Where this is another build,
// type ids differ, and with them the tags of programs that hold such ids: libbpf_tables.c makes the tables
// anew for the kernel at hand.

import { answerFor, type ObjectAnswer } from "./answer.ts";
import { type Baseline, readBaseline } from "./baseline.ts";
import {
  compareObject,
  compareProgram,
  type Disagreement,
  explanation,
  type KnownDifference,
} from "./compare.ts";
import differences from "./differences.json" with { type: "json" };
import { madeHere } from "./same_kernel.ts";

/** Result of a run. */
export interface Conformance {
  readonly objects: number;
  readonly objectsAgreeing: number;
  readonly programs: number;
  readonly programsAgreeing: number;
  /** Whether the tables were made on this kernel build. */
  readonly sameKernel: boolean;
  /** Differences without an explanation. */
  readonly disagreements: readonly Disagreement[];
  /** Differences with an explanation. */
  readonly explained: readonly (Disagreement & { readonly reason: string })[];
}

/** The part of the corpus to try. */
export interface ConformOptions {
  /** Only objects whose path contains this text. */
  readonly only?: string | undefined;
  /** Number of objects to try, evenly distributed. */
  readonly objects?: number | undefined;
  /** Location of the tables, when they are not in the corpus. */
  readonly tables?: URL | undefined;
  /** Called after each object. */
  readonly onObject?: ((done: number, of: number) => void) | undefined;
}

/** The corpus next to the project. */
export const CORPUS: URL = new URL("../../../shared/corpus/", import.meta.url);

/** Runs the comparison over a corpus. */
export async function conform(corpus: URL, options: ConformOptions = {}): Promise<Conformance> {
  const baseline = await readBaseline(options.tables ?? corpus);
  let objects = baseline.objects.filter(({ object }) => object.includes(options.only ?? ""));
  if (options.objects !== undefined && options.objects < objects.length) {
    const step = objects.length / options.objects;
    objects = Array.from(
      { length: options.objects },
      (_, index) => objects[Math.floor(index * step)] as typeof objects[number],
    );
  }
  const skips = new Map(objects.map(({ object }) => [object, tooSlow(baseline, object)]));
  const answers = new Map<string, ObjectAnswer>();
  const names = objects.map(({ object }) => object);
  for await (const answer of answersOf(corpus, names, skips)) {
    answers.set(answer.object, answer);
    options.onObject?.(answers.size, names.length);
  }
  return judge(baseline, names, answers, skips, await madeHere(baseline));
}

/** Returns programs on which libbpf's run timed out, because the verifier takes minutes. */
function tooSlow(baseline: Baseline, object: string): Set<string> {
  const programs = baseline.programs.get(object) ?? [];
  return new Set(programs.filter((each) => each.stage === "timeout").map((each) => each.program));
}

function judge(
  baseline: Baseline,
  names: readonly string[],
  answers: ReadonlyMap<string, ObjectAnswer>,
  skips: ReadonlyMap<string, ReadonlySet<string>>,
  sameKernel: boolean,
): Conformance {
  const count = { objects: 0, objectsAgreeing: 0, programs: 0, programsAgreeing: 0 };
  const disagreements: Disagreement[] = [];
  const explained: (Disagreement & { reason: string })[] = [];
  /** Returns whether all results are equal, or differ for a known reason. */
  const settle = (found: readonly Disagreement[]): boolean => {
    let agrees = true;
    for (const each of found) {
      const reason = each.kernelIds === true && !sameKernel
        ? OTHER_KERNEL
        : explanation(each, differences as readonly KnownDifference[])?.reason;
      if (reason !== undefined) explained.push({ ...each, reason });
      else {
        disagreements.push(each);
        agrees = false;
      }
    }
    return agrees;
  };
  for (const libbpf of baseline.objects.filter(({ object }) => names.includes(object))) {
    const skep = answers.get(libbpf.object);
    const skip = skips.get(libbpf.object) ?? new Set();
    if (skip.size === 0) {
      count.objects++;
      const found: Disagreement[] = skep === undefined
        ? [{
          object: libbpf.object,
          what: "verdict",
          libbpf: libbpf.ok ? "loads" : "refused",
          skep: "no answer",
          why: "the process ended or hung",
        }]
        : compareObject(libbpf, skep);
      if (settle(found)) count.objectsAgreeing++;
    }
    for (const theirs of baseline.programs.get(libbpf.object) ?? []) {
      if (skip.has(theirs.program)) continue;
      count.programs++;
      const ours = skep?.programs.find(({ program }) => program === theirs.program);
      if (settle(compareProgram(theirs, ours))) count.programsAgreeing++;
    }
  }
  return { ...count, sameKernel, disagreements, explained };
}

const OTHER_KERNEL = "the tables were made on another build of the kernel, with other type ids";

/** Seconds per object before its process is killed. */
const PATIENCE = 120;

/** Yields results from child processes. One that dies or hangs loses its object and is replaced. */
async function* answersOf(
  corpus: URL,
  names: readonly string[],
  skips: ReadonlyMap<string, ReadonlySet<string>>,
): AsyncGenerator<ObjectAnswer> {
  let next = 0;
  while (next < names.length) {
    const started = next;
    for await (const answer of fromChild(corpus, names.slice(next), skips)) {
      next = names.indexOf(answer.object) + 1;
      yield answer;
    }
    // The child ended early; its current object has no result.
    if (next < names.length) next = Math.max(next, started) + 1;
  }
}

async function* fromChild(
  corpus: URL,
  names: readonly string[],
  skips: ReadonlyMap<string, ReadonlySet<string>>,
): AsyncGenerator<ObjectAnswer> {
  const script = 'mount -t bpf bpf /sys/fs/bpf && exec "$@"';
  const child = new Deno.Command("unshare", {
    args: [
      "--mount",
      "--propagation",
      "private",
      "sh",
      "-c",
      script,
      "sh",
      Deno.execPath(),
      "run",
      "-A",
      import.meta.url,
      "--answer",
      corpus.href,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const work = names.map((name) => JSON.stringify({ name, skip: [...skips.get(name) ?? []] }));
  const feeding = new Blob([work.join("\n") + "\n"]).stream().pipeTo(child.stdin).catch(() => {});
  let patience: ReturnType<typeof setTimeout> | undefined;
  const rearm = (): void => {
    clearTimeout(patience);
    patience = setTimeout(() => child.kill("SIGKILL"), PATIENCE * 1000);
  };
  rearm();
  try {
    let rest = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      rearm();
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as ObjectAnswer;
    }
  } finally {
    clearTimeout(patience);
    await feeding;
    await child.status;
  }
}

/** The child: reads what to try from standard input, and writes one line per object. */
async function answer(corpus: URL): Promise<void> {
  const text = await new Response(Deno.stdin.readable).text();
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const { name, skip } = JSON.parse(line) as { name: string; skip: string[] };
    const path = new URL(`objs/${name}`, corpus).pathname;
    const result = await answerFor(name, path, new Set(skip));
    console.log(JSON.stringify(result));
  }
}

/** Formats the result of a run, one difference per line. */
export function report(result: Conformance): string {
  const lines = result.disagreements.map(describe);
  const reasons = Map.groupBy(result.explained, ({ reason }) => reason);
  for (const [reason, all] of reasons) {
    lines.push(`${all.length} known differences: ${reason}`);
    if (reason !== OTHER_KERNEL) lines.push(...all.map((each) => `  ${describe(each)}`));
  }
  lines.push(
    `agree ${result.objectsAgreeing} of ${result.objects} objects, ` +
      `${result.programsAgreeing} of ${result.programs} programs`,
  );
  return lines.join("\n");
}

function describe({ object, program, what, libbpf, skep, why }: Disagreement): string {
  const subject = program === undefined ? object : `${object} ${program}`;
  return `${subject}: ${what}: libbpf ${libbpf}, skep ${skep} (${why})`;
}

async function folderUrl(path: string): Promise<URL> {
  return new URL(`file://${await Deno.realPath(path)}/`);
}

if (import.meta.main) {
  const args = [...Deno.args];
  const option = (name: string): string | undefined => {
    const at = args.indexOf(name);
    return at < 0 ? undefined : args.splice(at, 2)[1];
  };
  const forChild = option("--answer");
  if (forChild !== undefined) {
    await answer(new URL(forChild));
  } else {
    const only = option("--only");
    const objects = option("--objects");
    const tables = option("--tables");
    const [folder] = args;
    const corpus = folder === undefined ? CORPUS : await folderUrl(folder);
    const result = await conform(corpus, {
      only,
      objects: objects === undefined ? undefined : Number(objects),
      tables: tables === undefined ? undefined : await folderUrl(tables),
      onObject: (done, of) => {
        if (done % 50 === 0) console.error(`${done} of ${of} objects`);
      },
    });
    console.log(report(result));
    Deno.exit(result.disagreements.length === 0 ? 0 : 1);
  }
}
