/**
 * Runs inputs in order; each is made from the seed and its number alone.
 *
 * @module
 */

import { exercise, type Outcomes } from "./layers.ts";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";
import { type Anatomy, anatomyOf } from "./structure/anatomy.ts";
import { mutateStructure } from "./structure/mutate_structure.ts";
import { typeGraph } from "./type_graph.ts";

/**
 * Time limit of an input in milliseconds, with some and with all of its types; more for each byte.
 */
const LONGEST_MILLISECONDS = { some: 60, all: 1000 } as const;
/** Milliseconds per byte: about thirty times what valid objects take. */
const MILLISECONDS_PER_BYTE = 0.01;
/** Memory limit of an input in bytes, plus as much for each of its bytes. */
const MOST_BYTES = 96 << 20;

/** A seed object, whole and in pieces. */
export interface SeedObject {
  /** The file's bytes. */
  readonly bytes: Uint8Array;
  /** Its pieces. */
  readonly anatomy: Anatomy;
}

/** The seeds: small objects that together have all kinds of contents. */
export function seedObjects(): SeedObject[] {
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
    "tests/fixtures/exceptions.bpf.o",
    "tests/fixtures/struct_ops.bpf.o",
    "tests/fixtures/pinned.bpf.o",
    "tests/fixtures/jump_tables.bpf.o",
    "tests/fixtures/contexts.bpf.o",
  ].map((path) => {
    const bytes = Deno.readFileSync(new URL(path, root));
    return { bytes, anatomy: anatomyOf(bytes) };
  });
}

/** How an input was made. */
export type Maker = "structure" | "blind" | "graph";

/** An input. */
export interface Input {
  /** The bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How it was made. */
  readonly maker: Maker;
  /** Names of the changed fields and steps; empty for blind changes. */
  readonly reached: readonly string[];
}

/** Returns the random numbers of one input. */
export function randomOf(seed: number, number: number): Random {
  return new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
}

/**
 * Returns the input with a number: of eight, five are changed by field, two blindly, and one is a
 * type graph.
 */
export function inputOf(seeds: readonly SeedObject[], seed: number, number: number): Input {
  const random = randomOf(seed, number);
  const turn = number % 8;
  if (turn === 7) return { bytes: typeGraph(random), maker: "graph", reached: [] };
  const { bytes, anatomy } = random.pick(seeds);
  if (turn >= 5) return { bytes: mutate(bytes, random), maker: "blind", reached: [] };
  return { ...mutateStructure(anatomy, random), maker: "structure" };
}

/** Result of trying an input. */
export interface Trial {
  /** Outcomes of the steps. */
  readonly outcomes: Outcomes;
  /** Time in milliseconds. */
  readonly milliseconds: number;
}

/**
 * Tries one input; throws when it ends in anything but results and our errors, or costs too much.
 *
 * `sample` chooses the types that are tried; without it all are. What took too long is tried again and
 * measured by the processor's time: the machine has other things to do.
 */
export function tryInput(bytes: Uint8Array, sample?: Random): Trial {
  try {
    return tryOnce(bytes, sample?.copy(), () => performance.now());
  } catch (error) {
    if (!(error instanceof TooSlow)) throw error;
  }
  for (let turn = 0; turn < 3; turn++) {
    try {
      return tryOnce(bytes, sample?.copy(), cpuTime);
    } catch (error) {
      if (!(error instanceof TooSlow)) throw error;
    }
  }
  return tryOnce(bytes, sample, cpuTime);
}

/** Returns the CPU time of this thread in milliseconds. */
export function cpuTime(): number {
  return Number(Deno.readTextFileSync("/proc/thread-self/schedstat").split(" ")[0]) / 1e6;
}

function tryOnce(bytes: Uint8Array, sample: Random | undefined, now: () => number): Trial {
  const before = used();
  const start = now();
  const outcomes = exercise(bytes, { sample });
  const milliseconds = now() - start;
  const grown = used() - before;
  const longest = LONGEST_MILLISECONDS[sample === undefined ? "all" : "some"];
  if (milliseconds > longest + bytes.length * MILLISECONDS_PER_BYTE) {
    throw new TooSlow(milliseconds, bytes.length);
  }
  if (grown > MOST_BYTES + bytes.length * 64) throw new Error(`it took ${grown >> 20} MiB`);
  return { outcomes, milliseconds };
}

/** An input took longer than its size allows, which a busy machine can cause too. */
export class TooSlow extends Error {
  /** The class's name. */
  override readonly name: string = "TooSlow";
  constructor(milliseconds: number, length: number) {
    super(`it took ${Math.round(milliseconds)} ms for ${length} bytes`);
  }
}

function used(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
