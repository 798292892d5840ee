/**
 * Runs attacks that can end their process as child processes.
 *
 * @module
 */

const root = new URL("../../../", import.meta.url);

/** Result of a child process. */
export interface Ended {
  /** Exit status; 128 plus the signal number when a signal ended it. */
  readonly code: number;
  /** Signal that ended it. */
  readonly signal: Deno.Signal | null;
  /** Text of its standard output. */
  readonly out: string;
  /** Text of its standard error. */
  readonly error: string;
}

/** Options of a child process. */
export interface ChildOptions {
  /** Arguments of the script. */
  readonly args?: readonly string[] | undefined;
  /** Timeout in milliseconds, after which it is killed. */
  readonly timeout?: number | undefined;
  /** Working directory. */
  readonly cwd?: string | undefined;
  /** Environment variables in addition to this process's. */
  readonly env?: { readonly [name: string]: string } | undefined;
  /** Command that starts it in new namespaces: {@linkcode ALONE}. */
  readonly through?: readonly string[] | undefined;
}

/** Creates network, mount and pid namespaces; attachments and mounts end with the child. */
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
  // Files that the child leaves are removed with its folder.
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

/** Returns whether a signal ended the child; a shell or `unshare` reports it as 128 plus its number. */
export function died(ended: Ended): boolean {
  return ended.signal !== null || ended.code > 128;
}
