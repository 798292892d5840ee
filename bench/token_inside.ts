/**
 * The parts of `token_bench.ts` that run in a sandbox.
 *
 * @module
 */

import { linuxKernel } from "../kernel/linux/linux.ts";
import { BpfObject } from "../loader/mod.ts";
import { Delegation, Token } from "../token/mod.ts";

const kernel = linuxKernel();
const words = Delegation.of({ commands: ["map_create"], maps: ["hash"] });

/** Runs in a sandbox: loads an object. */
export async function load(path: string): Promise<number> {
  using loaded = await BpfObject.load(path);
  return loaded.programs.size;
}

/** Runs in a sandbox: returns the median milliseconds from request to token. */
export function askBroker(path: string, rounds: number): number {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    using _token = Token.fromBroker(path, { kernel, need: words });
    times.push(performance.now() - start);
  }
  return times.sort((left, right) => left - right)[rounds >> 1] ?? 0;
}
