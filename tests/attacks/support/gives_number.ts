/**
 * A worker that opens a map or attaches a program and posts the descriptor number: `gives_number.ts?map` or `?link`.
 *
 * @module
 */

import { BpfMap, BpfObject } from "../../../mod.ts";

const what = new URL(import.meta.url).search;
let number: number;
if (what === "?link") {
  const path = new URL("../../fixtures/loading.bpf.o", import.meta.url).pathname;
  const object = await BpfObject.load(path);
  number = object.programs.get("count").attach({ interface: "lo" }).release();
} else {
  number = BpfMap.create({ type: "hash", keySize: 4, valueSize: 8, maxEntries: 4 }).fd;
}
const post: unknown = Reflect.get(globalThis, "postMessage");
if (typeof post === "function") Reflect.apply(post, globalThis, [number]);
setInterval(() => {}, 1000);
