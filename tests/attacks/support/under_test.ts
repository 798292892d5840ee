/**
 * The attacked tree: this one, or an older one to reproduce an attack.
 *
 * @module
 */

/** Path of the tree whose `skep` the attacks start, without a trailing slash. */
export const tree: string = (Deno.env.get("SKEP_UNDER_TEST") ??
  new URL("../../../", import.meta.url).pathname).replace(/\/$/, "");

/** Program and arguments that run `skep`. */
export const skep: readonly string[] = [Deno.execPath(), "run", "-A", `${tree}/cli/mod.ts`];

/** Factor for all timeouts: an emulated machine is twenty times slower. */
export const patience: number = Deno.env.has("SKEP_GUEST") ? 20 : 1;

/** Result of a command. */
export interface Ended {
  /** Exit status. */
  readonly code: number;
  /** Text of standard output. */
  readonly stdout: string;
  /** Text of standard error. */
  readonly stderr: string;
}

/** Runs a command and kills it after the given seconds, which gives the status 137. */
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

/** Runs `skep` with these arguments. */
export async function runSkep(
  args: readonly string[],
  options: Parameters<typeof run>[1] = {},
): Promise<Ended> {
  return await run([...skep, ...args], options);
}

/** Sends a signal to a process that the test started; ignores a process that has exited. */
export function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
  }
}

/** Reads a text file; returns `undefined` when it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/** Waits the given milliseconds. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits until the condition holds, at most the given seconds; returns whether it held. */
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

/** Returns the pids of processes whose command line contains the text, which must be unique to the test. */
export function processesWith(text: string): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    if (readText(`/proc/${name}/cmdline`)?.includes(text)) found.push(Number(name));
  }
  return found;
}
