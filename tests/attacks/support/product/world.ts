/**
 * Living instances of every class, and arguments that its methods take.
 *
 * @module
 */

import * as skep from "../../../../mod.ts";
import { createMap } from "./create.ts";
import { BtfBuilder, BtfExt, CoreTargets } from "../../../../btf/mod.ts";
import { ElfFile, StringTable } from "../../../../elf/mod.ts";
import { Descriptor, kernelTypes } from "../../../../loader/mod.ts";
import { FakeKernel, RecordingKernel } from "../../../../kernel/mod.ts";
import { BPF_F_MMAPABLE, BPF_F_NO_PREALLOC } from "../../../../uapi/mod.ts";

const { BpfObject, linuxKernel } = skep;
const kernel = linuxKernel();

/** Makes an instance; each call gives one that nobody else has. */
export type Maker = () => unknown | Promise<unknown>;

/** The path of a compiled object of the tests. */
export function fixture(name: string): string {
  return new URL(`../../../fixtures/${name}.bpf.o`, import.meta.url).pathname;
}

const bytesOf = new Map<string, Uint8Array<ArrayBuffer>>();

function fixtureBytes(name: string): Uint8Array<ArrayBuffer> {
  const bytes = bytesOf.get(name) ?? Deno.readFileSync(fixture(name));
  bytesOf.set(name, bytes);
  return bytes.slice();
}

/** What a maker opened for its instance's sake; ended after the case. */
const opened: Disposable[] = [];

function keep<T extends Disposable>(value: T): T {
  opened.push(value);
  return value;
}

/** The descriptors of what makers opened since the last {@linkcode endOpened}. */
export function openedDescriptors(): number[] {
  return opened.flatMap((owner) =>
    owner instanceof BpfObject
      ? [...owner.maps, ...owner.programs].map(({ fd }) => fd)
      : [Reflect.get(owner, "fd") as unknown]
  ).filter((fd): fd is number => typeof fd === "number" && fd > 2);
}

/** Ends what makers opened since the last call. */
export function endOpened(): void {
  for (const owner of opened.splice(0).reverse()) {
    try {
      owner[Symbol.dispose]();
    } catch {
      // The case may have closed it already.
    }
  }
}

function typesOf(name: string): skep.Btf {
  const { btf } = skep.ObjectSpec.parse(fixtureBytes(name));
  if (btf === undefined) throw new Error("the fixture has no BTF");
  return btf;
}

function table(): skep.AnyMap<number, bigint> {
  const map = createMap<number, bigint>({
    type: "hash",
    keySize: 4,
    valueSize: 8,
    maxEntries: 64,
  });
  for (let key = 0; key < 8; key++) map.set(key, 1n);
  return map;
}

function array(flags: number = BPF_F_MMAPABLE): skep.AnyMap<number, bigint> {
  return createMap({ type: "array", keySize: 4, valueSize: 8, maxEntries: 512, flags });
}

function made(type: skep.MapTypeName, keySize: number, valueSize: number, flags = 0): skep.AnyMap {
  return createMap({ type, keySize, valueSize, maxEntries: 8, flags });
}

async function object(name: string): Promise<skep.BpfObject> {
  return await BpfObject.load(fixtureBytes(name));
}

async function keptObject(name: string): Promise<skep.BpfObject> {
  return keep(await object(name));
}

async function ring(): Promise<skep.RingBuffer> {
  const streams = await keptObject("streams");
  streams.variables.get("batch").set(4);
  streams.programs.get("produce").testRun();
  const map = streams.maps.get("ring");
  return skep.RingBuffer.open(kernel, map.fd, map.maxEntries);
}

function userRing(): skep.UserRingBuffer {
  const map = keep(createMap({ type: "user_ringbuf", maxEntries: 4096 }));
  return skep.UserRingBuffer.open(kernel, map.fd, 4096);
}

function fileMapping(): unknown {
  const map = keep(array());
  return kernel.map(map.fd, 4096, { writable: true });
}

/** Data alone, and slow to make. */
let report: unknown;

/** Instances by class; further kinds of one class stand behind a colon. */
export const makers: { readonly [name: string]: Maker } = {
  "BpfMap:hash": table,
  "BpfMap:array": () => array(),
  "BpfMap:array, frozen, read-only for programs": () => {
    const map = createMap({
      type: "array",
      keySize: 4,
      valueSize: 8,
      maxEntries: 512,
      flags: BPF_F_MMAPABLE | 1 << 7,
    });
    return map;
  },
  "BpfMap:per-CPU array": () => made("percpu_array", 4, 8),
  "BpfMap:queue": () => made("queue", 0, 8),
  "BpfMap:lpm_trie": () => made("lpm_trie", 8, 8, 1),
  "BpfMap:arena": () => createMap({ type: "arena", maxEntries: 2, flags: BPF_F_MMAPABLE }),
  "BpfMap:array of maps": () => {
    const inner = keep(table());
    return createMap({ type: "array_of_maps", keySize: 4, valueSize: 4, maxEntries: 4, inner });
  },
  "BpfMap:cpumap": () => made("cpumap", 4, 4),
  "BpfMap:bloom_filter": () => made("bloom_filter", 0, 8),
  "BpfMap:perf_event_array": () => made("perf_event_array", 4, 4),
  "BpfMap:user_ringbuf": () => createMap({ type: "user_ringbuf", maxEntries: 4096 }),
  "BpfMap:sk_storage": () => {
    const btf = typesOf("loading");
    return createMap({
      type: "sk_storage",
      flags: BPF_F_NO_PREALLOC,
      types: { btf, key: "int", value: "int" },
    });
  },
  "BpfMap:ringbuf": () => createMap({ type: "ringbuf", maxEntries: 4096 }),
  RawMap: () => keep(table()).raw,
  "RawMap:queue": () => keep(made("queue", 0, 8)).raw,
  MapElements: () => keep(table()).raw.elements,
  MapBatch: () => keep(table()).raw.batch(4),
  ElementIterator: () => keep(table()).entries({ size: 4 }),
  Chunks: () => keep(table()).raw.chunks({ size: 4 }),
  BpfObject: () => object("loading"),
  Maps: async () => (await keptObject("loading")).maps,
  Variables: async () => (await keptObject("loading")).variables,
  Programs: async () => (await keptObject("loading")).programs,
  Program: async () => (await keptObject("loading")).programs.get("count"),
  "Program:syscall-like": async () => (await keptObject("streams")).programs.get("produce"),
  Variable: async () => (await keptObject("streams")).variables.get("batch"),
  Link: async () => (await keptObject("loading")).programs.get("count").attach({ interface: "lo" }),
  Links: async () => (await keptObject("links")).attach(),
  RingBuffer: ring,
  RingLease: async () => {
    const lease = keep(await ring()).lease();
    lease.next();
    return lease;
  },
  UserRingBuffer: userRing,
  Reservation: () => keep(userRing()).reserve(16),
  PerfBuffer: async () => {
    const streams = await keptObject("streams");
    const buffer = skep.PerfBuffer.open(kernel, streams.maps.get("perf").fd, 64, { pages: 1 });
    streams.programs.get("produce_perf").testRun();
    return buffer;
  },
  RecordReader: async () => (await keptObject("streams")).maps.get("ring").openRecords(),
  "RecordReader:perf": async () => (await keptObject("streams")).maps.get("perf").openRecords(),
  IteratorReader: async () => {
    const spec = skep.ObjectSpec.parse(fixtureBytes("hooks"));
    for (const program of spec.programs) program.autoload = program.section.endsWith("iter/task");
    const program = [...keep(await BpfObject.load(spec)).programs][0];
    if (program === undefined) throw new Error("the fixture has no iter/task");
    return skep.IteratorReader.open(kernel, keep(program.attach()));
  },
  LinuxKernel: () => kernel,
  Poller: () => new skep.LinuxKernel().poller,
  Mapping: fileMapping,
  Features: () => skep.features(kernel),
  ObjectSpec: () => skep.ObjectSpec.parse(fixtureBytes("loading")),
  Btf: () => skep.ObjectSpec.parse(fixtureBytes("loading")).btf,
  Codec: () => skep.codecFor(typesOf("loading"), 1),
  BtfBuilder: () => BtfBuilder.from(typesOf("loading")),
  CoreTargets: () => new CoreTargets(typesOf("loading")),
  ExtSection: () =>
    BtfExt.parse(
      ElfFile.parse(fixtureBytes("loading")).section(".BTF.ext")?.data ?? new Uint8Array(0),
      typesOf("loading"),
    ).lines[0],
  StringTable: () => new StringTable(new TextEncoder().encode("\0one\0two\0")),
  MapDefinition: () => [...skep.ObjectSpec.parse(fixtureBytes("loading")).maps][0],
  KernelTypes: () => kernelTypes(kernel),
  Descriptor: () => new Descriptor(kernel, kernel.dup(keep(table()).fd)),
  ElfFile: () => ElfFile.parse(fixtureBytes("loading")),
  FakeKernel: () => new FakeKernel(),
  RecordingKernel: () => new RecordingKernel(kernel),
  Delegation: () => skep.Delegation.any,
  Plan: () => skep.plan(skep.ObjectSpec.parse(fixtureBytes("loading"))),
  DoctorReport: () => report ??= skep.doctor(),
};
