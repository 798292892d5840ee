/**
 * The child of `stale_number_test.ts`: uses iterators, batches and readers of a disposed map after its
 * descriptor number was reused for another map. Prints one line for each harm.
 *
 * @module
 */

import {
  type AnyMap,
  BpfMap,
  type BtfValue,
  type KeyedMap,
  linuxKernel,
  PerfBuffer,
  RingBuffer,
} from "../../../mod.ts";

const kernel = linuxKernel();
const ROUNDS = 50;
/** Value size of the map that reuses the number, far larger than the victim's buffers. */
const LARGE = 8192;

type Bytes = Uint8Array<ArrayBuffer>;

function report(harm: string): void {
  console.log(harm);
}

function key(number: number): Bytes {
  return new Uint8Array(Uint32Array.of(number).buffer);
}

/** Buffers of unrelated maps, which must not change. */
class Canaries implements Disposable {
  readonly #maps: KeyedMap<BtfValue, BtfValue>[] = [];

  constructor() {
    for (const valueSize of [8, 64, 256, 1024, 4096, 16384]) {
      for (let copy = 0; copy < 3; copy++) {
        const map = BpfMap.create({ type: "hash", keySize: 4, valueSize, maxEntries: 4 });
        map.raw.elements.key.fill(0x5a);
        map.raw.elements.value.fill(0x5a);
        this.#maps.push(map);
      }
    }
  }

  /** Counts buffers that were overwritten and restores them. */
  touched(): number {
    let count = 0;
    for (const { raw: { elements } } of this.#maps) {
      for (const bytes of [elements.key, elements.value]) {
        if (bytes.every((byte) => byte === 0x5a)) continue;
        count++;
        bytes.fill(0x5a);
      }
    }
    return count;
  }

  [Symbol.dispose](): void {
    for (const map of this.#maps) map[Symbol.dispose]();
  }
}

function small(): KeyedMap<number, bigint> {
  const map = BpfMap.create<number, bigint>({
    type: "hash",
    keySize: 4,
    valueSize: 8,
    maxEntries: 64,
  });
  for (let index = 0; index < 64; index++) map.set(index, BigInt(index));
  return map;
}

/** Creates a map of 64 elements whose bytes are all 0xee. */
function large(type: "hash" | "array" = "hash"): AnyMap {
  const map = BpfMap.create({ type, keySize: 4, valueSize: LARGE, maxEntries: 64 });
  const value = new Uint8Array(LARGE).fill(0xee);
  for (let index = 0; index < 64; index++) {
    map.raw.set(type === "array" ? key(index) : key(0xeeeeee00 + index), value);
  }
  return map;
}

/**
 * Disposes the victim and creates a map that reuses its descriptor number. When the kernel assigns another
 * number, the round is inconclusive.
 */
function takeOver(victim: KeyedMap<number, bigint>, type?: "array"): AnyMap | undefined {
  const number = victim.fd;
  victim[Symbol.dispose]();
  const other = large(type);
  if (other.fd === number) return other;
  other[Symbol.dispose]();
  return undefined;
}

type Attack = (map: KeyedMap<number, bigint>) => () => unknown;

/** Starts an operation on the open map; the returned function continues it after the map was disposed. */
const begun: { readonly [name: string]: Attack } = {
  entries: (map) => {
    const entries = map.entries({ size: 4 });
    entries.next();
    return () => [...entries];
  },
  keys: (map) => {
    const keys = map.keys({ size: 4 });
    keys.next();
    return () => [...keys];
  },
  values: (map) => {
    const values = map.values({ size: 4 });
    values.next();
    return () => [...values];
  },
  batches: (map) => {
    const batches = map.batches({ size: 4 });
    batches.next();
    return () => [...batches].flat();
  },
  "raw.chunks": (map) => {
    const chunks = map.raw.chunks({ size: 4 });
    chunks.next();
    return () => Array.from(chunks, ({ keys }) => [...new Uint32Array(keys.slice().buffer)]).flat();
  },
  "raw.chunks, taking": (map) => {
    const chunks = map.raw.chunks({ size: 4, take: true });
    chunks.next();
    return () => Array.from(chunks, ({ keys }) => [...new Uint32Array(keys.slice().buffer)]).flat();
  },
  "raw.batch": (map) => {
    const batch = map.raw.batch(4);
    return () => {
      const result = batch.lookup();
      return result >= 0 ? [...new Uint32Array(batch.keys.slice().buffer)] : [];
    };
  },
  "raw.batch, updating": (map) => {
    const batch = map.raw.batch(4);
    return () => batch.update(4) >= 0 ? ["an element of another map was set"] : [];
  },
  "raw.elements": (map) => {
    const { elements } = map.raw;
    return () => elements.lookup() >= 0 ? ["an element of another map was read"] : [];
  },
  "raw.elements, next": (map) => {
    const { elements } = map.raw;
    return () => elements.next(true) >= 0 ? ["a key of another map was read"] : [];
  },
};

/** Returns whether an element belongs to the victim, whose keys and values are below 64. */
function own(element: unknown): boolean {
  if (Array.isArray(element)) return element.every(own);
  return typeof element === "number" || typeof element === "bigint" ? element < 64 : false;
}

function iterators(name: string, attack: Attack): void {
  let reused = 0;
  let overwritten = 0;
  let foreign = 0;
  let changed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const victim = small();
    const go = attack(victim);
    // Their buffers are allocated after the buffer of the attack.
    using canaries = new Canaries();
    using other = takeOver(victim, name.includes("updating") ? "array" : undefined);
    if (other === undefined) continue;
    reused++;
    let came: unknown;
    try {
      came = go();
    } catch {
      // A refusal is correct.
    }
    if (Array.isArray(came) && came.some((element) => !own(element))) foreign++;
    if (canaries.touched() > 0) overwritten++;
    let left = 0;
    for (const { count, values } of other.raw.chunks()) {
      if (values.subarray(0, count * LARGE).every((byte) => byte === 0xee)) left += count;
    }
    if (left !== 64) changed++;
  }
  if (reused === 0) report(`${name}: the number never came again, so this says nothing`);
  if (overwritten > 0) {
    report(`${name}: buffers of other maps overwritten, ${overwritten} of ${reused}`);
  }
  if (foreign > 0) report(`${name}: elements of another map given, ${foreign} of ${reused}`);
  if (changed > 0) report(`${name}: another map changed, ${changed} of ${reused}`);
}

/** Closing a perf buffer deletes its perf events from the map with the stored number. */
function perfBuffer(): void {
  const map = BpfMap.create({ type: "perf_event_array", keySize: 4, valueSize: 4, maxEntries: 64 });
  const buffer = PerfBuffer.open(kernel, map.fd, 64);
  const number = map.fd;
  map[Symbol.dispose]();
  using other = BpfMap.create<number, number>({
    type: "hash",
    keySize: 4,
    valueSize: 4,
    maxEntries: 64,
  });
  if (other.fd !== number) report("PerfBuffer: the number did not come again");
  for (let cpu = 0; cpu < 64; cpu++) other.set(cpu, cpu);
  try {
    buffer.close();
  } catch {
    // A refusal is correct.
  }
  const left = [...other.keys()].length;
  if (left !== 64) report(`PerfBuffer.close: ${64 - left} elements of another map deleted`);
}

/** A perf buffer opened through the map object, which tracks its disposal. */
function mapRecords(): void {
  const map = BpfMap.create({ type: "perf_event_array", keySize: 4, valueSize: 4, maxEntries: 64 });
  const reader = map.openRecords();
  const number = map.fd;
  map[Symbol.dispose]();
  using other = BpfMap.create<number, number>({
    type: "hash",
    keySize: 4,
    valueSize: 4,
    maxEntries: 64,
  });
  if (other.fd !== number) return report("openRecords: the number did not come again");
  for (let cpu = 0; cpu < 64; cpu++) other.set(cpu, cpu);
  try {
    reader.close();
  } catch {
    // A refusal is correct.
  }
  const left = [...other.keys()].length;
  if (left !== 64) report(`openRecords().close: ${64 - left} elements of another map deleted`);
}

/** `records()` opens the buffer at the first read, possibly after the map was disposed. */
async function lateRecords(): Promise<void> {
  const map = BpfMap.create({ type: "ringbuf", maxEntries: 4096 });
  const records = map.records({ signal: AbortSignal.timeout(300) });
  const number = map.fd;
  map[Symbol.dispose]();
  using other = BpfMap.create({ type: "ringbuf", maxEntries: 4096 });
  if (other.fd !== number) return report("records: the number did not come again");
  try {
    const first = records.next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    // A ring buffer permits one consumer mapping per map, so a mapping of the other ring is harmful.
    const maps = new TextDecoder().decode(kernel.readFile("/proc/self/maps").bytes);
    if (/anon_inode:bpf-map/.test(maps)) report("records: another map's ring buffer was opened");
    await first;
  } catch {
    // A refusal is correct.
  }
}

/** A reader that polls a number now used by another map. */
function staleWait(): void {
  const map = BpfMap.create({ type: "ringbuf", maxEntries: 4096 });
  using ring = RingBuffer.open(kernel, map.fd, 4096);
  map[Symbol.dispose]();
  try {
    if (ring.poll(10)) report("RingBuffer.poll: a record of an empty ring");
  } catch {
    // A refusal is correct.
  }
}

for (const [name, attack] of Object.entries(begun)) iterators(name, attack);
perfBuffer();
mapRecords();
await lateRecords();
staleWait();
console.log("done");
