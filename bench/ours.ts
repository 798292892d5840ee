/**
 * skep's side of the benchmarks: the same modes, work and output as `peers/libbpf_peer.c`.
 *
 * @module
 */

import { Btf, codecFor } from "../btf/mod.ts";
import { LinuxKernel, linuxKernel, Mapping } from "../kernel/mod.ts";
import { readable } from "../kernel/read_only_mapping.ts";
import { BpfObject, RingBuffer } from "../loader/mod.ts";
import { eventTypes, ObjectSpec } from "../object/mod.ts";
import { nanoseconds } from "./measure.ts";
import { age, clockDifference } from "./wake_clock.ts";
import type { WakeRequest } from "./wake_worker.ts";

const [mode, ...words] = Deno.args;
if (mode === "open") open(text(0), number(1));
else if (mode === "load") await load(text(0), number(1));
else if (mode === "btf") btf(number(0));
else if (mode === "ring") await ring(text(0), number(1), number(2));
else if (mode === "map") await map(text(0), number(1));
else if (mode === "wake") await wake(text(0), number(1));
else {throw new Error(
    "usage: ours.ts open|load|map FILE N | btf N | ring FILE N EVENTS | wake FILE EVENTS",
  );}

function text(index: number): string {
  const word = words[index];
  if (word === undefined) throw new Error(`${mode}: an argument is missing`);
  return word;
}

function number(index: number): number {
  return Number(text(index));
}

function report(name: string, unit: "us" | "ns", samples: readonly number[]): void {
  // deno-lint-ignore no-console -- read by bench/run.ts
  console.log(JSON.stringify({ name, unit, samples }));
}

function open(path: string, rounds: number): void {
  const samples: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const start = nanoseconds();
    const spec = ObjectSpec.parse(Deno.readFileSync(path));
    samples.push((nanoseconds() - start) / 1e3);
    if (spec.programs.size === 0) throw new Error("no programs");
  }
  report("open", "us", samples);
}

async function load(path: string, rounds: number): Promise<void> {
  const samples: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const start = nanoseconds();
    const object = await BpfObject.load(Deno.readFileSync(path), { token: false });
    samples.push((nanoseconds() - start) / 1e3);
    object[Symbol.dispose]();
  }
  report("load", "us", samples);

  // A new kernel object, whose BTF is mapped, indexed and searched anew, as in libbpf for every
  // object. The code is warm.
  const fresh: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const start = nanoseconds();
    const kernel = new LinuxKernel();
    const object = await BpfObject.load(Deno.readFileSync(path), { token: false, kernel });
    fresh.push((nanoseconds() - start) / 1e3);
    object[Symbol.dispose]();
  }
  report("load_fresh", "us", fresh);
}

/** Each round starts from nothing, as in the peer: the loader's per-process cache is not used. */
function btf(rounds: number): void {
  const kernel = linuxKernel();
  const samples: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const start = nanoseconds();
    const path = "/sys/kernel/btf/vmlinux";
    const size = Deno.statSync(path).size;
    const fd = kernel.open(path);
    const mapping = kernel.map(fd, size, { private: true, inPlace: true });
    kernel.close(fd);
    if (!(mapping instanceof Mapping)) throw new Error(`map ${path}: ${mapping}`);
    const types = Btf.parse(readable(mapping).u8, { name: "vmlinux", trusted: true });
    if (types.find("task_struct", "struct") === undefined) throw new Error("no task_struct");
    samples.push((nanoseconds() - start) / 1e3);
    mapping[Symbol.dispose]();
  }
  report("btf", "us", samples);
}

async function ring(path: string, rounds: number, events: number): Promise<void> {
  using object = await BpfObject.load(path, { token: false });
  const program = object.programs.get("produce");
  const map = object.maps.get("events");
  const typeId = eventTypes(object.spec).get("events");
  const types = object.spec.btf;
  if (typeId === undefined || types === undefined) throw new Error("no event type");
  using buffer = RingBuffer.open(object.kernel, map.fd, map.maxEntries);
  const fill = (): void => {
    program.testRun({ data: new Uint8Array(64), repeat: events });
  };
  const plain: number[] = [];
  for (let i = 0; i < rounds; i++) {
    fill();
    let seen = 0;
    const start = nanoseconds();
    const count = buffer.consume((view, offset) => {
      seen += view.getUint32(offset, true);
    });
    plain.push((nanoseconds() - start) / events);
    if (count !== events || seen === 0) throw new Error(`${count} of ${events} events`);
  }
  report("ring", "ns", plain);

  const codec = codecFor(types, typeId);
  const decoded: number[] = [];
  for (let i = 0; i < rounds; i++) {
    fill();
    let letters = 0;
    const start = nanoseconds();
    const count = buffer.consume((view, offset) => {
      letters += (codec.decode(view, offset) as { comm: string }).comm.length;
    });
    decoded.push((nanoseconds() - start) / events);
    if (count !== events || letters !== events * 15) {
      throw new Error(`${count} of ${events} events`);
    }
  }
  report("ring_decoded", "ns", decoded);
}

async function map(path: string, rounds: number): Promise<void> {
  const count = 60_000;
  using object = await BpfObject.load(path, { token: false });
  const raw = object.maps.get("table").raw;
  const elements = raw.elements;
  const key = new Uint32Array(elements.key.buffer, elements.key.byteOffset, 2);
  const value = new Uint32Array(elements.value.buffer, elements.value.byteOffset, 2);
  for (let i = 0; i < count; i++) {
    key[0] = i;
    value[0] = i;
    raw.update();
  }
  const measure = (name: string, work: () => void): void => {
    const samples: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const start = nanoseconds();
      work();
      samples.push((nanoseconds() - start) / count);
    }
    report(name, "ns", samples);
  };
  measure("lookup", () => {
    for (let i = 0; i < count; i++) {
      key[0] = i;
      elements.lookup();
    }
  });
  measure("update", () => {
    for (let i = 0; i < count; i++) {
      key[0] = i;
      value[0] = i;
      elements.update();
    }
  });
  measure("iterate", () => {
    let seen = 0;
    for (let more = elements.next(true); more === 0; more = elements.next(false)) {
      elements.key.set(elements.nextKey);
      if (elements.lookup() === 0) seen++;
    }
    if (seen !== count) throw new Error(`${seen} of ${count} elements`);
  });
  measure("batch_lookup", () => {
    let seen = 0;
    for (const chunk of raw.chunks({ size: 4096 })) seen += chunk.count;
    if (seen !== count) throw new Error(`${seen} of ${count} elements`);
  });
}

/** Measures from the timestamp in a record to its reader: on the main thread, and in a worker. */
async function wake(path: string, events: number): Promise<void> {
  using object = await BpfObject.load(path, { token: false });
  const { fd: mapFd, maxEntries: size } = object.maps.get("events");
  const program = object.programs.get("produce_one");
  const worker = new Worker(new URL("./wake_worker.ts", import.meta.url), { type: "module" });
  const ask = (request: WakeRequest): void => worker.postMessage(request);
  const answer = <T>(): Promise<T> =>
    new Promise((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<T>): void => resolve(data);
    });

  {
    using ring = RingBuffer.open(object.kernel, mapFd, size);
    const clock = clockDifference(object.kernel, program.fd, ring);
    const produced = answer<[]>();
    ask({ role: "produce", programFd: program.fd, events });
    const samples: number[] = [];
    while (samples.length < events) {
      await ring.wait();
      ring.consume((view, offset) => {
        samples.push((age(view, offset) - clock) / 1e3);
      });
    }
    await produced;
    report("wake", "us", samples);
  }

  const ready = answer<"ready">();
  ask({ role: "consume", mapFd, size, programFd: program.fd, events });
  await ready;
  const samples = answer<number[]>();
  for (let i = 0; i < events; i++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    program.testRun({ data: new Uint8Array(64) });
  }
  report("wake_worker", "us", await samples);
  worker.terminate();
}
