/**
 * The project that is attacked: this one, or, to see an attack succeed, an older tree.
 *
 * @module
 */

/** The tree whose `skep` the attacks start, without a slash at the end. */
export const tree: string = (Deno.env.get("SKEP_UNDER_TEST") ??
  new URL("../../../", import.meta.url).pathname).replace(/\/$/, "");

/** The program and the arguments that stand for `skep`. */
export const skep: readonly string[] = [Deno.execPath(), "run", "-A", `${tree}/cli/mod.ts`];

/** How much longer everything may take: an emulated machine is twenty times slower. */
export const patience: number = Deno.env.has("SKEP_GUEST") ? 20 : 1;

/** What a command came to. */
export interface Ended {
  /** The exit status. */
  readonly code: number;
  /** Standard output. */
  readonly stdout: string;
  /** Standard error. */
  readonly stderr: string;
}

/** Runs a command to its end, for at most so many seconds; killed, it has the status 137. */
export async function run(
  command: readonly string[],
  options: {
    readonly seconds?: number | undefined;
    readonly directory?: string | undefined;
    readonly environment?: { readonly [name: string]: string } | undefined;
  } = {},
): Promise<Ended> {
  const { seconds = 15, directory, environment } = options;
  const [program = "", ...args] = command;
  const described: Deno.CommandOptions = {
    args,
    env: { NO_COLOR: "1", ...environment },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  };
  if (directory !== undefined) described.cwd = directory;
  const child = new Deno.Command(program, described).spawn();
  const timer = setTimeout(() => kill(child.pid, "SIGKILL"), seconds * patience * 1000);
  try {
    const { code, stdout, stderr } = await child.output();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  } finally {
    clearTimeout(timer);
  }
}

/** `skep` with these arguments. */
export async function runSkep(
  args: readonly string[],
  options: Parameters<typeof run>[1] = {},
): Promise<Ended> {
  return await run([...skep, ...args], options);
}

/** Sends a signal to a process that the test started; one that is gone is gone. */
export function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
  }
}

/** A file's text, or undefined when it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/** A promise that is fulfilled after so many milliseconds. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits until the condition holds, for at most so many seconds; whether it did. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  seconds: number,
): Promise<boolean> {
  const end = performance.now() + seconds * patience * 1000;
  for (;;) {
    if (await condition()) return true;
    if (performance.now() > end) return false;
    await sleep(20);
  }
}

/** The processes whose command line holds the text, by pid: for a text that only the test knows. */
export function processesWith(text: string): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    if (readText(`/proc/${name}/cmdline`)?.includes(text)) found.push(Number(name));
  }
  return found;
}
