/**
 * Attacks that can end a process run in one of their own.
 *
 * @module
 */

const root = new URL("../../../", import.meta.url);

/** How a child process ended. */
export interface Ended {
  /** Its exit status; 128 and the number of the signal where a signal ended it. */
  readonly code: number;
  /** The signal that ended it. */
  readonly signal: Deno.Signal | null;
  /** What it printed. */
  readonly out: string;
  /** What it printed on its standard error. */
  readonly error: string;
}

/** How a child runs. */
export interface ChildOptions {
  /** What the script gets. */
  readonly args?: readonly string[] | undefined;
  /** Milliseconds after which it is killed. */
  readonly timeout?: number | undefined;
  /** Where it runs. */
  readonly cwd?: string | undefined;
  /** Variables besides this process's. */
  readonly env?: { readonly [name: string]: string } | undefined;
  /** A command that starts it in namespaces of its own: {@linkcode ALONE}. */
  readonly through?: readonly string[] | undefined;
}

/** Network, mounts and process ids of its own; what it attaches or mounts ends with it. */
export const ALONE: readonly string[] = [
  "unshare",
  "--net",
  "--mount",
  "--pid",
  "--fork",
  "--kill-child",
  "--mount-proc",
];

/** Runs a script of `tests/attacks/support/` with all permissions of Deno. */
export async function runChild(script: string, options: ChildOptions = {}): Promise<Ended> {
  return await runDeno(
    [
      "run",
      "-A",
      "--no-check",
      "--config",
      new URL("deno.json", root).pathname,
      new URL(script, import.meta.url).pathname,
      ...options.args ?? [],
    ],
    options,
  );
}

/** Runs the command line `skep`. */
export async function runSkep(
  args: readonly string[],
  options: Omit<ChildOptions, "args"> = {},
): Promise<Ended> {
  const config = new URL("deno.json", root).pathname;
  const cli = new URL("cli/mod.ts", root).pathname;
  return await runDeno(["run", "-A", "--no-check", "--config", config, cli, ...args], options);
}

/** Runs Deno itself. */
export async function runDeno(args: readonly string[], options: ChildOptions = {}): Promise<Ended> {
  const { timeout = 30_000, cwd, env = {}, through = [] } = options;
  const [command = "", ...rest] = [...through, Deno.execPath(), ...args];
  // What it makes and leaves goes with it.
  const scratch = await Deno.makeTempDir();
  const described: Deno.CommandOptions = {
    args: rest,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", TMPDIR: scratch, ...env },
  };
  if (cwd !== undefined) described.cwd = cwd;
  const child = new Deno.Command(command, described).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), timeout);
  try {
    const { code, signal, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    return { code, signal, out: decoder.decode(stdout), error: decoder.decode(stderr) };
  } finally {
    clearTimeout(timer);
    await Deno.remove(scratch, { recursive: true });
  }
}

/** Whether a child was ended by a signal; a shell or `unshare` in between says 128 and its number. */
export function died(ended: Ended): boolean {
  return ended.signal !== null || ended.code > 128;
}
