/**
 * Runs all tests in groups, each with the permissions that it may have, and ends with one line that
 * counts them: `N passed, N failed, N skipped`.
 *
 *     deno task test                 # everything
 *     deno task test pure examples   # some groups
 *     deno task test tests/token     # one folder or file
 *
 * The pure layers run without any permission: a file or a system call asked for there is a failure.
 * Tests that need more than this user may do skip themselves with a reason, which stands in their
 * name; the reasons are summed up at the end.
 *
 * @module
 */

const root = new URL("../../", import.meta.url);

/** One `deno test` run. */
interface Group {
  readonly name: string;
  readonly permissions: readonly string[];
  /** Returns directories or files, relative to the root. */
  paths(): Promise<string[]>;
  /** Whether `paths` are sources whose examples are the tests. */
  readonly examples?: boolean | undefined;
}

/** The pure layers. */
const pureFolders = ["uapi", "errors", "elf", "btf", "object", "plan", "explain"];
/** The layers that use this machine. */
const otherFolders = ["kernel", "token", "loader", "cli", "examples", "tests", "bench"];
/** Suites with a separate task, because they boot kernels. */
const ownTask = /^tests\/vm\//;
/** Hostile clients, holders, objects and calls. */
const attacks = /^tests\/attacks\//;

const groups: readonly Group[] = [
  {
    name: "pure",
    permissions: ["--no-prompt"],
    paths: () => files(pureFolders, (path) => isTest(path)),
  },
  {
    name: "system",
    permissions: ["--allow-all"],
    paths: () =>
      files(otherFolders, (path) => isTest(path) && !ownTask.test(path) && !attacks.test(path)),
  },
  {
    // A process of their own: each of them counts what is left in the process that it runs in.
    name: "attacks",
    permissions: ["--allow-all"],
    paths: () => files(["tests/attacks"], (path) => isTest(path)),
  },
  {
    name: "examples",
    permissions: ["--allow-all"],
    examples: true,
    paths: async () => [
      "mod.ts",
      ...await files(
        [
          "uapi",
          "errors",
          "elf",
          "btf",
          "object",
          "plan",
          "explain",
          "token",
          "kernel",
          "loader",
          "cli",
        ],
        (path) => path.endsWith(".ts") && !isTest(path),
      ),
    ],
  },
];

function isTest(path: string): boolean {
  return path.endsWith("_test.ts");
}

async function files(
  folders: readonly string[],
  wanted: (path: string) => boolean,
): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders) {
    let entries: Deno.DirEntry[];
    try {
      entries = await Array.fromAsync(Deno.readDir(new URL(`${folder}/`, root)));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue;
      throw error;
    }
    for (const entry of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) found.push(...await files([path], wanted));
      else if (wanted(path)) found.push(path);
    }
  }
  return found;
}

/** Result of a group's run. */
export interface Count {
  /** Number of passed tests. */
  passed: number;
  /** Names of failed tests. */
  failed: string[];
  /** Names of skipped tests. */
  skipped: string[];
}

const entities: { readonly [entity: string]: string } = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
};

function unescapeXml(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot|apos);/g, (entity) => entities[entity] ?? entity);
}

/** One test case of a JUnit report. */
export interface Case {
  /** Name of the test. */
  readonly name: string;
  /** Its outcome. */
  readonly outcome: "passed" | "failed" | "skipped";
  /** Message of the failure. */
  readonly failure?: string | undefined;
}

/** Returns the test cases of a JUnit report. Steps of a test are cases too. */
export function cases(junit: string): Case[] {
  const found: Case[] = [];
  for (
    const [, attributes = "", , body = ""] of junit.matchAll(
      /<testcase\b([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g,
    )
  ) {
    const raw = /\bname="([^"]*)"/.exec(attributes)?.[1] ?? "?";
    const name = unescapeXml(raw);
    const outcome = /<(?:failure|error)\b/.test(body)
      ? "failed"
      : /<skipped\b/.test(body)
      ? "skipped"
      : "passed";
    const failure = outcome === "failed" ? { failure: unescapeXml(body) } : {};
    found.push({ name, outcome, ...failure });
  }
  return found;
}

/** Counts the test cases of a JUnit report. */
export function countCases(junit: string): Count {
  const all = cases(junit);
  const names = (wanted: Case["outcome"]): string[] =>
    all.filter(({ outcome }) => outcome === wanted).map(({ name }) => name);
  return {
    passed: names("passed").length,
    failed: names("failed"),
    skipped: names("skipped"),
  };
}

/** Timeout of a group, which normally takes a fraction of it. */
const longestMinutes = 12;

async function runGroup(
  group: Group,
  within: readonly string[],
  scratch: string,
): Promise<Count> {
  const paths = (await group.paths()).filter((path) =>
    within.length === 0 || within.some((place) => path === place || path.startsWith(`${place}/`))
  );
  const report = `${scratch}/${group.name}.xml`;
  const mode = group.examples === true ? ["--doc"] : [];
  if (paths.length === 0) return { passed: 0, failed: [], skipped: [] };
  console.log(`\n== ${group.name}: ${paths.length} files, ${group.permissions.join(" ")}`);
  const signal = AbortSignal.timeout(longestMinutes * 60_000);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--no-check", ...mode, ...group.permissions, `--junit-path=${report}`, ...paths],
    cwd: root,
    signal,
  }).spawn().status;
  let count: Count = { passed: 0, failed: [], skipped: [] };
  try {
    count = countCases(await Deno.readTextFile(report));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (!success && count.failed.length === 0) {
    const why = signal.aborted
      ? `hung for ${longestMinutes} minutes`
      : "ended before it could report";
    count.failed.push(`${group.name}: deno test ${why} (see above)`);
  }
  return count;
}

/** Returns the reason in a name such as `"loads a program [skipped: needs CAP_BPF]"`. */
export function skipReason(name: string): string {
  return /[[(]skipped: (.*)[\])]$/.exec(name)?.[1] ?? `no reason given: ${name}`;
}

async function main(args: readonly string[]): Promise<number> {
  const isGroup = (name: string): boolean => groups.some((group) => group.name === name);
  const wanted = args.filter(isGroup);
  const within = args.filter((name) => !isGroup(name)).map((path) => path.replace(/\/+$/, ""));
  const scratch = await Deno.makeTempDir();
  const total: Count = { passed: 0, failed: [], skipped: [] };
  try {
    for (const group of groups) {
      if (wanted.length > 0 && !wanted.includes(group.name)) continue;
      // Examples in a file's comments run only when the group is named.
      if (within.length > 0 && group.examples === true && wanted.length === 0) continue;
      const count = await runGroup(group, within, scratch);
      total.passed += count.passed;
      total.failed.push(...count.failed);
      total.skipped.push(...count.skipped);
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  console.log();
  const reasons = Map.groupBy(total.skipped, skipReason);
  for (const [reason, names] of reasons) console.log(`skipped ${names.length}: ${reason}`);
  for (const name of total.failed) console.log(`failed: ${name}`);
  console.log(
    `${total.passed} passed, ${total.failed.length} failed, ${total.skipped.length} skipped`,
  );
  return total.failed.length === 0 && total.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
