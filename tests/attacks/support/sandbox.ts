/**
 * The attacked sandbox: `skep sandbox` as users start it.
 *
 * @module
 */

import { skep } from "./under_test.ts";

/** Returns the command line of `skep sandbox` with the given options, or with a delegation of maps only. */
export function sandbox(
  command: readonly string[],
  options: readonly string[] = ["--delegate-cmds", "map_create", "--delegate-maps", "hash"],
): string[] {
  return [...skep, "sandbox", ...options, "--", ...command];
}

/** Quotes a command line for a shell. */
export function shellText(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}

/** Creates a folder while `use` runs, which all users may enter and, with `open`, write to. */
export async function withFolder(
  use: (folder: string) => Promise<void>,
  mode: number = 0o755,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "skep-attack-" });
  try {
    await Deno.chmod(folder, mode);
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Copies the attackers to a folder that an unprivileged command can read. */
export async function copyAttackers(folder: string): Promise<void> {
  const here = new URL(".", import.meta.url);
  for (const { name } of Deno.readDirSync(here)) {
    if (/\.p[lm]$/.test(name)) await Deno.copyFile(new URL(name, here), `${folder}/${name}`);
  }
}
