/**
 * Attaches an XDP program to `lo` and keeps it attached, as a service does. Runs in a worker or with `deno run --watch`.
 *
 * @module
 */

import { BpfObject } from "../../../mod.ts";

const path = new URL("../../fixtures/loading.bpf.o", import.meta.url).pathname;
let outcome = "attached";
try {
  const object = await BpfObject.load(path);
  object.programs.get("count").attach({ interface: "lo" });
} catch (error) {
  outcome = `${error instanceof Error ? error.message : error}`;
}
console.log(outcome);
const post: unknown = Reflect.get(globalThis, "postMessage");
if (typeof post === "function") Reflect.apply(post, globalThis, [outcome]);
// It lives until it is ended from outside.
setInterval(() => {}, 1000);
