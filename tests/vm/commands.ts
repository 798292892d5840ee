/**
 * Runs programs for the machines.
 *
 * @module
 */

/** Options of a program run. */
export interface CommandOptions {
  /** Variables to add to the environment. */
  readonly environment?: Record<string, string> | undefined;
  /** Working directory. */
  readonly folder?: string | undefined;
}

/**
 * Runs a program with its output on standard error.
 *
 * @throws {Error} when it fails.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<void> {
  await output(command, args, options);
}

/**
 * Returns a program's output.
 *
 * @throws {Error} when it fails.
 */
export async function output(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { environment, folder } = options;
  const described: Deno.CommandOptions = { args: [...args], stderr: "inherit" };
  if (environment !== undefined) described.env = environment;
  if (folder !== undefined) described.cwd = folder;
  const { code, stdout } = await new Deno.Command(command, described).output();
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
  return new TextDecoder().decode(stdout);
}

/**
 * Installs Debian's packages of programs that are not there, as root; throws as another user.
 *
 * @param programs The package of each program.
 */
export async function needPrograms(
  programs: { readonly [program: string]: string },
): Promise<void> {
  const missing: string[] = [];
  for (const [program, name] of Object.entries(programs)) {
    if (await programPath(program) === undefined) missing.push(name);
  }
  if (missing.length === 0) return;
  const install = `apt-get install ${missing.join(" ")}`;
  if (Deno.uid() !== 0) throw new Error(`needs programs that are not here: ${install}`);
  const options = { environment: { DEBIAN_FRONTEND: "noninteractive" } };
  await run("apt-get", ["-qq", "update"], options);
  await run("apt-get", ["-qq", "-y", "install", "--no-install-recommends", ...missing], options);
}

/** Returns the path of a program; undefined when it is not installed. */
export async function programPath(program: string): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder}/${program}`;
    if (await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return path;
  }
  return undefined;
}
