// Four times the input takes about four times the time, or is refused by a limit that the error states. With
// quadratic algorithms these inputs took sixteen times as long, or gigabytes of memory.

import { cpuUsage } from "node:process";
import { assert } from "@std/assert";
import { Btf, codecFor, ObjectSpec, printC, SkepError } from "../../mod.ts";
import { relocate } from "../../object/mod.ts";
import * as inputs from "./support/growth_inputs.ts";

interface Family {
  readonly name: string;
  /** Creates the input for a size. */
  readonly input: (n: number) => Uint8Array<ArrayBuffer>;
  /** Operation to measure. */
  readonly run: (bytes: Uint8Array<ArrayBuffer>) => unknown;
  /** Smaller of the two sizes. */
  readonly n: number;
  /** Factor between the two sizes. */
  readonly factor?: number;
  /** Size of the input when the operation reads more than its bytes. */
  readonly size?: (n: number) => number;
}

function relocateAll(bytes: Uint8Array<ArrayBuffer>): number {
  const spec = ObjectSpec.parse(bytes);
  const { programs } = relocate(spec, [...spec.programs]);
  let size = 0;
  for (const program of programs) {
    if ("error" in program) throw program.error;
    size += program.instructions.length;
  }
  return size;
}

function decodeOuter(bytes: Uint8Array<ArrayBuffer>): unknown {
  const btf = Btf.parse(bytes);
  const codec = codecFor(btf, 3);
  return codec.decodeBytes(new Uint8Array(codec.size));
}

const families: readonly Family[] = [
  {
    name: "programs that call one large function",
    input: inputs.sharedFunction,
    run: relocateAll,
    n: 300,
  },
  {
    name: "programs that call one chain of functions",
    input: inputs.sharedChain,
    run: relocateAll,
    n: 300,
  },
  { name: "programs in one section", input: inputs.manyPrograms, run: relocateAll, n: 8000 },
  { name: "a chain of calls", input: inputs.callChain, run: relocateAll, n: 6000 },
  {
    name: "a struct of structs in a codec",
    input: (n) => inputs.nested(n, 4),
    run: decodeOuter,
    // Both sizes exceed V8's fast object limits. The value has as many bytes as the types have members.
    n: 1100,
    factor: 2,
    size: (n) => n * n,
  },
  {
    name: "a struct of empty structs in a codec",
    input: (n) => inputs.nested(n, 0),
    run: decodeOuter,
    n: 350,
  },
  {
    name: "names that are the ends of one name",
    input: inputs.suffixNames,
    run: (bytes) => Btf.parse(bytes).candidates("aaa", "struct"),
    n: 6000,
  },
  {
    name: "a look-up among names that are the ends of one name",
    input: inputs.suffixNames,
    run: (bytes) => Btf.parse(bytes).find("b", "struct"),
    n: 16_000,
  },
  {
    name: "flavours of one name",
    input: inputs.flavours,
    run: (bytes) => Btf.parse(bytes).candidates("a", "struct"),
    n: 20_000,
  },
  {
    name: "the sizes of a chain of typedefs",
    input: inputs.typedefs,
    run: (bytes) => {
      const btf = Btf.parse(bytes);
      return Array.from({ length: btf.endId - 1 }, (_, id) => btf.size(id + 1)).length;
    },
    n: 2000,
  },
  {
    name: "a chain of typedefs as C",
    input: inputs.typedefs,
    run: (bytes) => {
      const btf = Btf.parse(bytes);
      return printC(btf, [btf.endId - 1]).length;
    },
    n: 2000,
  },
];

/** Maximum growth of the time for four times the input; quadratic growth would be 16. */
const MOST = 9;
/** Times in milliseconds: shorter ones are too noisy to compare, longer ones fail for any input. */
const LITTLE = 40;
const MUCH = 10_000;
/** Input size in bytes from which even a short time is conclusive. */
const LARGEST = 4 << 20;
/** Maximum growth of the process in bytes. */
const MEMORY = 768 << 20;

/** Returns the CPU time of this process in milliseconds, which is independent of other processes. */
function processorTime(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

/** Returns the shortest time of several runs in milliseconds; `undefined` when a limit refuses the input. */
function least(run: () => unknown): number | undefined {
  let best = Infinity;
  for (let count = 0; count < 5 && !(count > 0 && best > MUCH / 5); count++) {
    const start = processorTime();
    try {
      run();
    } catch (error) {
      if (!(error instanceof SkepError)) throw error;
      // The error must state the limit as a number.
      assert(/\d/.test(error.message), `refused without a limit: ${error.message}`);
      const took = processorTime() - start;
      assert(took < MUCH, `refused after ${took.toFixed()} ms`);
      return undefined;
    }
    best = Math.min(best, processorTime() - start);
  }
  return best;
}

for (const { name, input, run, n, factor = 4, size } of families) {
  Deno.test(`attack: ${name}: time and memory are proportional to the size`, () => {
    const before = Deno.memoryUsage().rss;
    // Double the size until the time is long enough to compare.
    let at = n;
    const smallest = input(at);
    let first = least(() => run(smallest));
    while (first !== undefined && first < LITTLE && input(2 * at).length < LARGEST) {
      at *= 2;
      const bytes = input(at);
      first = least(() => run(bytes));
    }
    const [small, large] = [input(at), input(factor * at)];
    const second = least(() => run(large));
    const grown = Deno.memoryUsage().rss - before;
    assert(grown < MEMORY, `${(grown / 2 ** 20).toFixed()} MiB for ${large.length} bytes`);
    if (second === undefined) return;
    assert(second < MUCH, `${second.toFixed()} ms for ${large.length} bytes`);
    if (second < LITTLE || first === undefined) return;
    const larger = size === undefined ? large.length / small.length : size(factor * at) / size(at);
    const ratio = second / first / larger;
    assert(
      ratio < MOST / 4,
      `${larger.toFixed(1)} times the input: ${first.toFixed()} and ${second.toFixed()} ms`,
    );
  });
}
