/**
 * Objects to test plans with: the examples, the fixtures, and the corpus beside the repository.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import { kernelBtf, openObject } from "../../loader/mod.ts";
import { type Plan, plan } from "../../token/mod.ts";
import type { LoadWay } from "./worker.ts";

/** One way to load an object. */
export interface Way extends LoadWay {
  /** Name of the object and the way, for messages. */
  readonly name: string;
  /** Plan of the load. */
  readonly need: Plan;
}

/**
 * Returns the ways to load an object with a token: as the attach planner rewrites it, without the programs
 * that it refuses, and as written where that differs.
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

/** Returns one way for each program of an object, loaded alone and as written. */
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

/** Returns the paths of the examples' objects. */
export async function examples(): Promise<string[]> {
  const root = new URL("../../examples/", import.meta.url);
  const paths: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(root)) {
    const path = new URL(`${name}/${name}.bpf.o`, root).pathname;
    if (isDirectory && await exists(path)) paths.push(path);
  }
  return paths.sort();
}

/** Returns the paths of the fixtures for this machine. */
export async function fixtures(): Promise<string[]> {
  const root = new URL("../fixtures/", import.meta.url);
  const groups = ["", "clang14/", "clang22/", "clang22_v4/"].map((name) => new URL(name, root));
  return (await Promise.all(groups.map(objectsIn))).flat().sort();
}

/** Returns the paths of the corpus's objects. */
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
