/**
 * Objects to prove plans with: the examples, and the corpus beside the repository.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import { kernelBtf, openObject } from "../../loader/mod.ts";
import { type Plan, plan } from "../../token/mod.ts";
import type { LoadWay } from "./worker.ts";

/** An object in one way to load it. */
export interface Way extends LoadWay {
  /** The object with the way, for messages. */
  readonly name: string;
  /** What is planned for it. */
  readonly need: Plan;
}

/**
 * The ways to load an object with a token: as the attach planner has it, without the programs that it
 * refuses, and as written where that is something else.
 */
export async function ways(path: string): Promise<Way[]> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const types = kernelBtf(linuxKernel());
  const spec = await openObject(path);
  const written = plan(spec, { kernelBtf: types, rewrite: "never" });
  const { attachDecisions } = plan(spec, { kernelBtf: types });
  if (attachDecisions.every(({ outcome }) => outcome === "as-is")) return [{ name, need: written }];
  const attachable = attachDecisions.filter(({ outcome }) => outcome !== "refused");
  const autoload = attachable.map(({ program }) => program);
  for (const program of spec.programs) program.autoload = autoload.includes(program.name);
  const safe = plan(spec, { kernelBtf: types });
  return [
    ...(attachable.length === 0 ? [] : [{ name: `${name} as attached`, need: safe, autoload }]),
    { name: `${name} as written`, need: written, rewrite: "never" },
  ];
}

/** Each program of an object alone, as written. */
export async function programsAlone(path: string): Promise<Way[]> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const types = kernelBtf(linuxKernel());
  const spec = await openObject(path);
  return spec.programs.names().map((program): Way => {
    for (const other of spec.programs) other.autoload = other.name === program;
    const need = plan(spec, { kernelBtf: types, rewrite: "never" });
    return { name: `${name} ${program}`, need, autoload: [program], rewrite: "never" };
  });
}

/** The objects of the examples. */
export async function examples(): Promise<string[]> {
  const root = new URL("../../examples/", import.meta.url);
  const paths: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(root)) {
    const path = new URL(`${name}/${name}.bpf.o`, root).pathname;
    if (isDirectory && await exists(path)) paths.push(path);
  }
  return paths.sort();
}

/** The fixtures that are compiled for this machine. */
export async function fixtures(): Promise<string[]> {
  const root = new URL("../fixtures/", import.meta.url);
  const groups = ["", "clang14/", "clang22/", "clang22_v4/"].map((name) => new URL(name, root));
  return (await Promise.all(groups.map(objectsIn))).flat().sort();
}

/** The objects of the corpus. */
export async function corpus(): Promise<string[]> {
  const root = new URL("../../../shared/corpus/objs/", import.meta.url);
  const groups: URL[] = [];
  for await (const { name, isDirectory } of Deno.readDir(root)) {
    if (isDirectory) groups.push(new URL(`${name}/`, root));
  }
  return (await Promise.all(groups.map(objectsIn))).flat().sort();
}

async function objectsIn(folder: URL): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".o")) paths.push(new URL(name, folder).pathname);
  }
  return paths;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
