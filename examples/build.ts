/**
 * Compiles every `.bpf.c` of the examples and tests with clang. The objects are committed, so that using
 * them needs no compiler.
 *
 *     deno task build:bpf           # builds all objects
 *     deno task build:bpf --check   # only lists objects that differ from their sources
 *
 * clang 19 builds each object next to its source (`$CLANG` overrides it). The examples are also built with
 * the other installed versions (14, 22), into `tests/fixtures/clang14/` and so on, and the tests load
 * them all. Sources of tests list their variants, which can be big-endian, or use version 4 of the
 * instruction set (`clang22_v4`).
 *
 * @module
 */

const root = new URL("../", import.meta.url);
const sourceRoots = ["examples", "tests/fixtures"];
const variantVersions = ["14", "22"];
const flags = ["-O2", "-g", "-Wall", "-Wextra"];
const quietFlags = [
  "-Wno-unused-parameter",
  "-Wno-unused-const-variable",
  "-Wno-unknown-attributes",
];

/** Runs a program and returns whether it succeeded; its output goes to the terminal. */
async function run(command: string, args: readonly string[], quiet = false): Promise<boolean> {
  try {
    const output = quiet ? "null" : "inherit";
    const child = new Deno.Command(command, {
      args: [...args],
      cwd: root,
      stdout: output,
      stderr: output,
    });
    return (await child.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function firstThatRuns(candidates: readonly string[]): Promise<string | undefined> {
  for (const candidate of candidates) {
    if (await run(candidate, ["--version"], true)) return candidate;
  }
  return undefined;
}

/** Yields the paths of all sources, relative to the repository. */
async function* sources(directory: string): AsyncGenerator<string> {
  let entries: Deno.DirEntry[];
  try {
    entries = await Array.fromAsync(Deno.readDir(new URL(`${directory}/`, root)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  for (const entry of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (entry.name.endsWith(".bpf.c")) yield path;
  }
}

/**
 * Compiles and strips DWARF, which no loader reads; BTF stays. Paths in the object are relative.
 */
async function build(
  clang: string,
  strip: string | undefined,
  source: string,
  object: string,
  target: string,
  cpu: string,
): Promise<boolean> {
  const include = ["-Iexamples/include", "-fdebug-compilation-dir=."];
  const args = [
    "-target",
    target,
    `-mcpu=${cpu}`,
    ...flags,
    ...quietFlags,
    ...include,
    "-c",
    source,
    "-o",
    object,
  ];
  if (!await run(clang, args)) return false;
  return strip === undefined || await run(strip, ["-g", object]);
}

async function sameBytes(first: string, second: string): Promise<boolean> {
  try {
    const [a, b] = await Promise.all([
      Deno.readFile(new URL(first, root)),
      Deno.readFile(new URL(second, root)),
    ]);
    return a.length === b.length && a.every((byte, index) => byte === b[index]);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** One object to build from a source. */
interface Job {
  readonly compiler: string;
  readonly object: string;
  readonly endian: "bpfel" | "bpfeb";
  readonly cpu: "v3" | "v4";
}

/**
 * Returns the other compiler variants of a source: all of them for examples; for tests, those of a
 * line `// variants: big_endian clang14 clang22`.
 */
async function variantsOf(source: string): Promise<readonly string[]> {
  if (source.startsWith("examples/")) return variantVersions.map((version) => `clang${version}`);
  const text = await Deno.readTextFile(new URL(source, root));
  return /^\/\/ variants: (.+)$/m.exec(text)?.[1]?.split(" ") ?? [];
}

async function jobsOf(source: string, clang: string): Promise<readonly Job[]> {
  const object = source.replace(/\.c$/, ".o");
  const name = object.slice(object.lastIndexOf("/") + 1);
  const jobs: Job[] = [{ compiler: clang, object, endian: "bpfel", cpu: "v3" }];
  for (const variant of await variantsOf(source)) {
    const object = `tests/fixtures/${variant}/${name}`;
    const big = variant === "big_endian";
    const [version = "", cpu] = variant.replace("clang", "clang-").split("_");
    const compiler = big ? clang : await firstThatRuns([version]);
    if (compiler === undefined) {
      console.log(`skipped  ${object}: its compiler is not installed`);
      continue;
    }
    await Deno.mkdir(new URL(`tests/fixtures/${variant}/`, root), { recursive: true });
    jobs.push({
      compiler,
      object,
      endian: big ? "bpfeb" : "bpfel",
      cpu: cpu === "v4" ? "v4" : "v3",
    });
  }
  return jobs;
}

async function main(check: boolean): Promise<number> {
  const clang = Deno.env.get("CLANG") ?? await firstThatRuns(["clang-19", "clang"]);
  const strip = await firstThatRuns(["llvm-strip-19", "llvm-strip"]);
  if (clang === undefined || strip === undefined) {
    console.error(
      "build BPF objects: clang or llvm-strip is missing; apt-get install clang-19 llvm-19",
    );
    return 1;
  }
  const scratch = await Deno.makeTempDir();
  let failed = 0;
  try {
    for (const directory of sourceRoots) {
      for await (const source of sources(directory)) {
        const jobs = await jobsOf(source, clang);
        for (const job of jobs) {
          const target = check ? `${scratch}/built.o` : job.object;
          let outcome = "built   ";
          if (!await build(job.compiler, strip, source, target, job.endian, job.cpu)) {
            outcome = "FAILED  ";
          } else if (check) outcome = await sameBytes(job.object, target) ? "same    " : "DIFFERS ";
          if (outcome === "FAILED  " || outcome === "DIFFERS ") failed++;
          console.log(`${outcome} ${job.object}  (${job.compiler})`);
        }
      }
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args.includes("--check")));
