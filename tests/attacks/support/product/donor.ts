/**
 * A worker that gives away what is its own: a map's number and the buffers that it shares with the kernel.
 *
 * @module
 */

import { BpfMap } from "../../../../mod.ts";

const table = BpfMap.create({ type: "hash", keySize: 4, valueSize: 8, maxEntries: 4 });
const array = BpfMap.create({
  type: "array",
  keySize: 4,
  valueSize: 8,
  maxEntries: 512,
  flags: 1 << 10,
});
const element = table.raw.elements.value.buffer;
const memory = array.memory.buffer;
const post = Reflect.get(globalThis, "postMessage") as (
  message: unknown,
  transfer: ArrayBuffer[],
) => void;
post({ fd: table.fd, element, memory }, [element, memory]);
