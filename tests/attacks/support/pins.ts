/**
 * The child of `pins_test.ts`, in a new mount namespace: loads objects whose maps are pinned by names that contain
 * paths. Prints one line for each harm.
 *
 * @module
 */

import { BpfMap, BpfObject } from "../../../mod.ts";
import { renamed } from "./hostile_object.ts";

const object = Deno.readFileSync(new URL("../../fixtures/pinned.bpf.o", import.meta.url));

const top = Deno.makeTempDirSync();
const mounted = await new Deno.Command("mount", { args: ["-t", "bpf", "none", top] }).output();
if (!mounted.success) throw new Error("cannot mount a bpffs of the test's own");
Deno.mkdirSync(`${top}/app`);
Deno.mkdirSync(`${top}/app/inner`);
Deno.mkdirSync(`${top}/victim`);

/** Pinned map of another application, compatible with the object's map. */
using secrets = BpfMap.create<number, number>({
  type: "hash",
  name: "secrets",
  keySize: 4,
  valueSize: 4,
  maxEntries: 16,
});
secrets.set(1, 42);
secrets.pin(`${top}/victim/secrets`);

const NAMES = [
  "plain",
  "../victim/secrets",
  "inner/../../victim/secrets",
  "./../victim/secrets",
  "..",
  ".",
  "",
  "inner",
  "inner/one",
  "/one",
  `${top}/victim/secrets`,
  "//one",
  "one/",
  "../one",
  "a.b",
  "one\n",
  "\x1b[2Jone",
  "\u202eone",
  "x".repeat(300),
  `${"../".repeat(20)}tmp/one`,
];

/** Returns every path below a folder. */
function tree(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => [
    `${folder}/${name}`,
    ...(isDirectory ? tree(`${folder}/${name}`) : []),
  ]).sort();
}

const before = new Set(tree(top));
const wanted = secrets.info().id;

for (const name of NAMES) {
  const shown = JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name);
  const bytes = renamed(
    object,
    (place, old) => place === "variable" && old === "kept" ? name : undefined,
  );
  try {
    using loaded = await BpfObject.load(bytes, { pinRoot: `${top}/app` });
    for (const map of loaded.maps) {
      if (map.info().id === wanted) console.log(`${shown}: another application's map was opened`);
    }
    // A name that is a single path component may be pinned, only in the folder.
  } catch (error) {
    // A refusal is correct; it needs a reason and must contain no terminal control characters.
    const text = `${error instanceof Error ? error.message : error}`;
    if (text.includes("\x1b") || text.includes("\n") || text.includes("\u202e")) {
      console.log(`${shown}: the error has raw control characters`);
    }
    if (!(error instanceof Error) || error.constructor === TypeError) {
      console.log(`${shown}: refused by ${error}`);
    }
  }
  if (name === "plain" && !tree(top).includes(`${top}/app/plain`)) {
    console.log("a plain name is not pinned, so this says nothing");
  }
  for (const path of tree(top)) {
    if (before.has(path)) continue;
    const below = path.slice(`${top}/app/`.length);
    if (!path.startsWith(`${top}/app/`) || below.includes("/")) {
      console.log(`${shown}: pinned at ${path.slice(top.length)}`);
    }
    Deno.removeSync(path);
  }
  if (secrets.get(1) !== 42) console.log(`${shown}: another application's map was changed`);
  for (const path of before) {
    if (!tree(top).includes(path)) console.log(`${shown}: ${path.slice(top.length)} is gone`);
  }
}
console.log("done");
