import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { codecFor } from "../../btf/codec/mod.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { tracefs } from "../../loader/attach/target/nearest.ts";
import { BpfObject } from "../../loader/object.ts";
import type { Decoder } from "../../loader/stream/decoder.ts";
import { PerfBuffer } from "../../loader/stream/perf_buffer.ts";
import { programOutput, readProgramOutput } from "../../loader/stream/program_output.ts";
import { RingBuffer } from "../../loader/stream/ring_buffer.ts";
import { traceLines } from "../../loader/stream/trace_pipe.ts";
import { UserRingBuffer } from "../../loader/stream/user_ring_buffer.ts";
import { eventTypes } from "../../object/events/event_type.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import { until } from "../support/hooks.ts";
import { kernelTest, reasonToSkip } from "../support/kernel.ts";

const kernel = linuxKernel();

async function load(
  programs: readonly string[],
  variables: { readonly [name: string]: unknown } = {},
): Promise<BpfObject> {
  const bytes = await Deno.readFile(new URL("../fixtures/streams.bpf.o", import.meta.url));
  const spec = ObjectSpec.parse(bytes, { name: "streams.bpf.o" });
  for (const program of spec.programs) program.autoload = programs.includes(program.name);
  for (const [name, value] of Object.entries(variables)) spec.variables.get(name).set(value);
  return await BpfObject.load(spec, { token: false });
}

function number(object: BpfObject, name: string): number {
  return Number(object.variables.get(name).get());
}

interface Event_ {
  readonly sequence: bigint;
  readonly text: string;
}

function openRing(object: BpfObject): RingBuffer<Event_> {
  const { fd } = object.maps.get("ring");
  const { btf } = object.spec;
  const type = eventTypes(object.spec).get("ring");
  assert(btf !== undefined && type !== undefined);
  const decoder = codecFor(btf, type) as unknown as Decoder<Event_>;
  return RingBuffer.open(kernel, fd, 1 << 20, { name: "ring", decoder });
}

kernelTest("a ring buffer's events come decoded, in order and once", async () => {
  using object = await load(["produce"], { batch: 100 });
  using ring = openRing(object);
  const produce = object.programs.get("produce");
  let expected = 0n;
  for (let round = 0; round < 200; round++) {
    produce.testRun();
    for (const event of ring.drain()) {
      assertEquals(event.sequence, expected++);
      assertEquals(event.text, "ev");
    }
  }
  assertEquals(expected, 20_000n);
  assertEquals(number(object, "dropped"), 0);
  assertGreater(ring.position, 1 << 20);
});

kernelTest("a full ring buffer drops what the program counts, and goes on after it", async () => {
  using object = await load(["produce"], { batch: 20_000 });
  using ring = openRing(object);
  object.programs.get("produce").testRun();
  const held = Math.floor((1 << 20) / 72);
  assertEquals(number(object, "dropped"), 20_000 - held);
  assertEquals(ring.drain().length, held);
  object.variables.get("batch").set(5);
  object.programs.get("produce").testRun();
  assertEquals(ring.drain().map(({ sequence }) => Number(sequence)), [
    20_000,
    20_001,
    20_002,
    20_003,
    20_004,
  ]);
});

kernelTest("discarded records are passed over", async () => {
  using object = await load(["produce_discarded"]);
  using ring = openRing(object);
  for (let run = 0; run < 10; run++) object.programs.get("produce_discarded").testRun();
  assertEquals(ring.drain().map(({ sequence }) => Number(sequence)), [0, 2, 4, 6, 8]);
});

kernelTest("records() wakes for an event, and ends with its signal", async () => {
  using object = await load(["produce"]);
  const abort = new AbortController();
  const seen: unknown[] = [];
  const timer = setTimeout(() => object.programs.get("produce").testRun(), 20);
  for await (const event of object.maps.get("ring").records({ signal: abort.signal })) {
    seen.push(event);
    abort.abort();
  }
  clearTimeout(timer);
  assertEquals(seen.length, 1);
});

kernelTest("a reader that is closed while it waits ends at once", async () => {
  using object = await load(["produce"]);
  const ring = openRing(object);
  const loop = Array.fromAsync(ring);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const start = performance.now();
  ring.close();
  assertEquals(await loop, []);
  assertLess(performance.now() - start, 1000);
});

kernelTest("an iterator of records that is returned while it waits ends at once", async () => {
  using object = await load(["produce"]);
  const events = object.maps.get("ring").records();
  const waiting = events.next();
  await events.return();
  assertEquals((await waiting).done, true);
});

kernelTest("a loop over records ends when the object is disposed of", async () => {
  const object = await load(["produce"]);
  const loop = Array.fromAsync(object.maps.get("ring").records());
  await new Promise((resolve) => setTimeout(resolve, 20));
  object[Symbol.dispose]();
  assertEquals(await loop, []);
});

kernelTest("poll blocks until there is a record, or the time is up", async () => {
  using object = await load(["produce", "produce_perf"]);
  using ring = openRing(object);
  assertEquals(ring.poll(5), false);
  object.programs.get("produce").testRun();
  assert(ring.poll(-1));
  assertEquals(ring.drain().length, 1);
  if (reasonToSkip({ needs: { root: true } }) !== undefined) return;
  const { fd } = object.maps.get("perf");
  using buffer = PerfBuffer.open(kernel, fd, kernel.machine.possibleCpus);
  assertEquals(buffer.poll(5), false);
  object.programs.get("produce_perf").testRun({ cpu: 0 });
  assert(buffer.poll(-1));
});

kernelTest("several buffers wait together", async () => {
  using first = await load(["produce"]);
  using second = await load(["produce"]);
  using a = openRing(first);
  using b = openRing(second);
  const seen: string[] = [];
  const loops = [["a", a], ["b", b]].map(async ([name, ring]) => {
    for await (const event of ring as typeof a) {
      seen.push(`${name}${event.sequence}`);
      if (event.sequence === 1n) break;
    }
  });
  for (const [index, object] of [second, first, second, first].entries()) {
    await until(() => seen.length === index, "the event before was seen");
    object.programs.get("produce").testRun();
  }
  await Promise.all(loops);
  assertEquals(seen, ["b0", "a0", "b1", "a1"]);
});

const perf = { needs: { root: true } } as const;

kernelTest("a perf buffer's events come with their loss counted", perf, async () => {
  using object = await load(["produce_perf"]);
  const map = object.maps.get("perf");
  const decoder = { size: 8, decode: (view: DataView, at: number) => view.getBigUint64(at, true) };
  const losses: number[] = [];
  using buffer = PerfBuffer.open(kernel, map.fd, kernel.machine.possibleCpus, {
    name: "perf",
    decoder,
    pages: 1,
    onLost: ({ count }) => losses.push(count),
  });
  assertEquals(buffer.cpus, [...kernel.machine.onlineCpus]);
  const produce = object.programs.get("produce_perf");
  // One page holds about forty events: many rounds make them wrap around its end.
  for (let round = 0; round < 50; round++) {
    const from = BigInt(round * 10);
    for (let run = 0; run < 10; run++) produce.testRun({ cpu: 0 });
    assertEquals(buffer.drain(), Array.from({ length: 10 }, (_, index) => from + BigInt(index)));
  }
  assertEquals(buffer.lost, 0);
  for (let run = 0; run < 100; run++) produce.testRun({ cpu: 0 });
  const kept = buffer.drain().length;
  assertLess(kept, 100);
  produce.testRun({ cpu: 0 });
  // The kernel writes PERF_RECORD_LOST when it has room for the next event.
  assertEquals(buffer.drain().length, 1);
  assertEquals(buffer.lost, 100 - kept);
  assertEquals(losses, [100 - kept]);
});

kernelTest("a perf buffer wakes for an event on any CPU", perf, async () => {
  using object = await load(["produce_perf"]);
  using buffer = PerfBuffer.open(kernel, object.maps.get("perf").fd, kernel.machine.possibleCpus);
  for (const cpu of kernel.machine.onlineCpus) {
    const timer = setTimeout(() => object.programs.get("produce_perf").testRun({ cpu }), 10);
    assert(await buffer.wait({ timeout: 30_000 }));
    clearTimeout(timer);
    assertEquals(buffer.drain().length, 1);
  }
  assertEquals(await buffer.wait({ timeout: 10 }), false);
});

kernelTest(
  "a user ring buffer's records reach the program",
  { needs: { feature: ["map", "user_ringbuf"] } },
  async () => {
    using object = await load(["drain"]);
    const encoder = {
      size: 4,
      encode: (value: number, view: DataView, at: number) => view.setUint32(at, value, true),
    };
    using ring = UserRingBuffer.open<number>(kernel, object.maps.get("commands").fd, 4096, {
      encoder,
    });
    const drain = object.programs.get("drain");
    let sum = 0;
    let sent = 0;
    for (let round = 0; round < 30; round++) {
      while (ring.write(sent)) sum += sent++;
      assertEquals(await ring.send(0, { signal: AbortSignal.timeout(20) }), false);
      assertEquals(drain.testRun().returnValue, sent - number(object, "drained") + 0 || 256);
      assertEquals(ring.pending, 0);
    }
    assertEquals(number(object, "drained"), sent);
    assertEquals(number(object, "sum"), sum);
    {
      using room = ring.reserve(4);
      assert(room !== undefined);
      room.view.setUint32(0, 7, true);
    }
    assertEquals(drain.testRun().returnValue, 0);
    assertEquals(number(object, "drained"), sent);
  },
);

kernelTest(
  "the trace pipe gives what a program prints",
  {
    needs: {
      root: true,
      tracefs: import.meta.url,
    },
  },
  async () => {
    using object = await load(["print"]);
    const root = tracefs(kernel) as string;
    // The kernel enables the bpf_trace_printk event some time after the program is loaded: earlier
    // output is lost.
    const timer = setInterval(() => object.programs.get("print").testRun(), 50);
    const signal = AbortSignal.timeout(60_000);
    let seen = "";
    for await (const line of traceLines(kernel, { tracefs: root, signal })) {
      if (!line.includes("skep says")) continue;
      seen = line;
      break;
    }
    clearInterval(timer);
    assert(seen.endsWith("skep says 42"), seen);
  },
);

const noStreams = Deno.build.os === "linux" ? await whyNoStreams() : "this is not Linux";

kernelTest(
  "a program's output stream gives what it prints",
  { needs: { feature: ["ability", "program_output"], unless: () => noStreams } },
  async () => {
    using object = await load(["print_to_stream"]);
    const program = object.programs.get("print_to_stream");
    assertEquals(readProgramOutput(kernel, program, "stdout").length, 0);
    program.testRun();
    const signal = AbortSignal.timeout(30_000);
    const output = programOutput(kernel, program, "stdout", { signal });
    assertEquals((await output.next()).value, "said to stream 1");
    await output.return();
    assertEquals(readProgramOutput(kernel, program, "stderr").length, 0);
  },
);

/** Returns why the streams are not available: some kernels have them without memory, which only a run shows. */
async function whyNoStreams(): Promise<string | undefined> {
  try {
    using object = await load(["print_to_stream"]);
    const program = object.programs.get("print_to_stream");
    const result = program.testRun().returnValue | 0;
    if (result < 0) return `bpf_stream_vprintk answers ${result} on this kernel`;
    const bytes = readProgramOutput(kernel, program, "stdout");
    return bytes.length > 0 ? undefined : "this kernel has no bpf_stream_vprintk_impl";
  } catch (error) {
    return `the program cannot be loaded here: ${(error as Error).message}`;
  }
}
