/**
 * One input after the other, each made from the seed and its number alone.
 *
 * @module
 */

import { exercise } from "./layers.ts";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";
import { typeGraph } from "./type_graph.ts";

/** No input may take longer, on a machine that is busy with other things. */
const LONGEST_MILLISECONDS = 2000;
/** No input may take more memory than this and as much again for each of its bytes. */
const MOST_BYTES = 96 << 20;

/** The objects that inputs are made from. */
export function seedObjects(): Uint8Array[] {
  const root = new URL("../../", import.meta.url);
  return [
    "tests/fixtures/kinds.bpf.o",
    "tests/fixtures/links.bpf.o",
    "tests/fixtures/big_endian/kinds.bpf.o",
    "tests/fixtures/big_endian/links.bpf.o",
    "tests/fixtures/clang14/links.bpf.o",
    "tests/fixtures/clang22/kinds.bpf.o",
    "examples/execsnoop/execsnoop.bpf.o",
    "examples/tcp_connections/tcp_connections.bpf.o",
  ].map((path) => Deno.readFileSync(new URL(path, root)));
}

/** The input with that number. */
export function inputOf(seeds: readonly Uint8Array[], seed: number, number: number): Uint8Array {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  return number % 8 === 7 ? typeGraph(random) : mutate(random.pick(seeds), random);
}

/** Tries one input; throws when it ends in anything but results and our errors, or costs too much. */
export function tryInput(bytes: Uint8Array): { accepted: boolean; milliseconds: number } {
  const before = used();
  const start = performance.now();
  const outcomes = exercise(bytes);
  const milliseconds = performance.now() - start;
  const grown = used() - before;
  if (milliseconds > LONGEST_MILLISECONDS) {
    throw new Error(`it took ${Math.round(milliseconds)} ms`);
  }
  if (grown > MOST_BYTES + bytes.length * 64) throw new Error(`it took ${grown >> 20} MiB`);
  return { accepted: outcomes["object"] === "result", milliseconds };
}

function used(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
