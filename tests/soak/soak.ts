/**
 * A long run: events through a ring buffer while the program and this process change a map, counted on
 * both sides.
 *
 *     deno task soak            # 10 million events through 64 MiB
 *     deno task soak 100000000 1   # through 1 MiB: the reader's pauses cost events, which are counted
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import { BpfObject } from "../../loader/object.ts";
import { RingBuffer } from "../../loader/stream/ring_buffer.ts";
import { ObjectSpec } from "../../object/object_spec.ts";

/** Result of a run. */
export interface SoakResult {
  /** Events that the program tried to write. */
  readonly written: number;
  /** Events that were read. */
  readonly read: number;
  /** Events dropped for lack of space, as counted by the program. */
  readonly dropped: number;
  /** Gaps and reorderings that the drops do not explain. */
  readonly outOfOrder: number;
  /** Updates of the map by this process during the run. */
  readonly updates: number;
  /** Growth of the process in bytes, from the first tenth to the end. */
  readonly growth: number;
  /** Duration in milliseconds. */
  readonly time: number;
}

const BATCH = 2000;

/**
 * Runs a number of events through a ring buffer of `size` bytes. The program runs in a worker, so
 * that both sides are busy at once.
 */
export async function soak(events: number, size: number): Promise<SoakResult> {
  const kernel = linuxKernel();
  const bytes = await Deno.readFile(new URL("../fixtures/streams.bpf.o", import.meta.url));
  const spec = ObjectSpec.parse(bytes, { name: "streams.bpf.o" });
  for (const program of spec.programs) program.autoload = program.name === "produce_and_update";
  spec.variables.get("batch").set(BATCH);
  spec.maps.get("ring").maxEntries = size;
  using object = await BpfObject.load(spec, { token: false });
  const map = object.maps.get("ring");
  using ring = RingBuffer.open(kernel, map.fd, size, { name: "ring" });
  using element = kernel.mapElements(object.maps.get("table").fd, 4, 8);
  const number = (name: string): number => Number(object.variables.get(name).get());

  let next = 0;
  let missing = 0;
  let outOfOrder = 0;
  let updates = 0;
  let early = 0;
  const start = performance.now();
  const worker = new Worker(new URL("./producer.ts", import.meta.url), { type: "module" });
  const done = new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => reject(new Error(event.message));
  });
  const abort = new AbortController();
  done.then(() => abort.abort(), () => abort.abort());
  worker.postMessage({
    programFd: object.programs.get("produce_and_update").fd,
    runs: Math.ceil(events / BATCH),
  });
  const take = (view: DataView, offset: number): void => {
    // Two words as one number, exact below 2^53, which avoids BigInt.
    const sequence = view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
    if (sequence < next) outOfOrder++;
    else missing += sequence - next;
    next = sequence + 1;
    if ((sequence & 63) !== 0) return;
    element.key[0] = sequence >>> 6;
    element.value[0] = 1;
    element.update();
    updates++;
    if (early === 0 && sequence > events / 10) early = Deno.memoryUsage().rss;
  };
  await ring.forEach(take, { signal: abort.signal });
  await done;
  worker.terminate();
  while (ring.consume(take) > 0);
  const written = number("sequence");
  const dropped = number("dropped");
  // Drops at the end leave no gap before a later event.
  missing += written - next;
  return {
    written,
    read: ring.records,
    dropped,
    outOfOrder: outOfOrder + Math.abs(missing - dropped),
    updates,
    growth: early === 0 ? 0 : Deno.memoryUsage().rss - early,
    time: performance.now() - start,
  };
}

if (import.meta.main) {
  const [events = 10_000_000, ring = 64] = Deno.args.filter((word) => /^\d+$/.test(word)).map(
    Number,
  );
  const result = await soak(events, ring << 20);
  const rate = (result.read / result.time / 1000).toFixed(2);
  const good = result.read + result.dropped === result.written && result.outOfOrder === 0;
  const line = Deno.args.includes("--json")
    ? JSON.stringify(result)
    : `${result.written} written, ${result.read} read, ${result.dropped} dropped, ` +
      `${result.outOfOrder} wrong, ${result.updates} updates, ` +
      `${(result.growth / 2 ** 20).toFixed(1)} MiB grown, ${rate} million/s`;
  await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
  Deno.exit(good ? 0 : 1);
}
