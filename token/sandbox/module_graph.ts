/**
 * Lists the files of a module and its imports with `deno info`.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";

/** The parts of the output of `deno info --json` that are used. */
interface Info {
  readonly modules: readonly {
    readonly specifier: string;
    readonly local?: string | null;
    readonly error?: string;
  }[];
  readonly npmPackages?: { readonly [id: string]: { readonly localPath?: string } };
}

/**
 * Lists directories of local modules, files of remote ones in Deno's cache, and folders of packages.
 *
 * @throws {SkepError} when Deno cannot build the graph: a module is missing, or not in the cache.
 */
export async function moduleFiles(url: string): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", url],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) {
    throw new SkepError({
      doing: "list the modules of",
      subject: url,
      stage: "usage",
      why: new TextDecoder().decode(stderr).trim().split("\n", 1)[0] ?? "deno info failed",
    });
  }
  const info = JSON.parse(new TextDecoder().decode(stdout)) as Info;
  const files = new Set<string>();
  for (const { specifier, local } of info.modules) {
    if (typeof local !== "string") continue;
    files.add(specifier.startsWith("file:") ? local.slice(0, local.lastIndexOf("/")) : local);
  }
  for (const { localPath } of Object.values(info.npmPackages ?? {})) {
    if (localPath === undefined) continue;
    // The registry's list of versions is stored beside them.
    files.add(localPath).add(`${localPath.slice(0, localPath.lastIndexOf("/"))}/registry.json`);
  }
  return [...files];
}
