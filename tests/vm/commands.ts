/**
 * Programs that are run for the machines.
 *
 * @module
 */

/** Where and with what a program runs. */
export interface CommandOptions {
  /** Added to the environment. */
  readonly environment?: Record<string, string>;
  /** The folder that it starts in. */
  readonly folder?: string;
}

/** Runs a program whose messages go to standard error; throws unless it ends well. */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<void> {
  await output(command, args, options);
}

/** What a program writes; throws unless it ends well. */
export async function output(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { environment, folder } = options;
  const child = new Deno.Command(command, {
    args: [...args],
    stderr: "inherit",
    ...(environment === undefined ? {} : { env: environment }),
    ...(folder === undefined ? {} : { cwd: folder }),
  });
  const { code, stdout } = await child.output();
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
  return new TextDecoder().decode(stdout);
}
