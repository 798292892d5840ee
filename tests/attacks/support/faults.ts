/**
 * Ordinary calls that ended the process by SIGSEGV or SIGBUS or wrote to unrelated memory. Each child runs
 * one of them: `faults.ts NAME`.
 *
 * @module
 */

import {
  BpfMap,
  BpfObject,
  type BtfValue,
  type KeyedMap,
  linuxKernel,
  RingBuffer,
  UserRingBuffer,
} from "../../../mod.ts";
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, BPF_F_SEGV_ON_FAULT } from "../../../uapi/bpf_flags.ts";

function fixture(name: string): string {
  return new URL(`../../fixtures/${name}.bpf.o`, import.meta.url).pathname;
}

/** Writes to every page of a view, as its user might. A refusal is correct. */
function scribble(view: DataView): void {
  for (let at = 0; at < view.byteLength; at += 512) {
    view.setUint8(at, view.getUint8(at) ^ 0xff);
  }
}

async function filledRing(): Promise<{ object: BpfObject; ring: RingBuffer }> {
  const object = await BpfObject.load(fixture("streams"));
  object.variables.get("batch").set(3);
  object.programs.get("produce").testRun({});
  const map = object.maps.get("ring");
  return { object, ring: RingBuffer.open(linuxKernel(), map.fd, map.maxEntries) };
}

/** Maps with buffers allocated after the existing ones. */
function canaries(): KeyedMap<BtfValue, BtfValue>[] {
  return [8, 64, 256, 1024, 4096, 16384].map((valueSize) => {
    const map = BpfMap.create({ type: "hash", keySize: 4, valueSize, maxEntries: 4 });
    map.raw.elements.key.fill(0x5a);
    map.raw.elements.value.fill(0x5a);
    return map;
  });
}

function tellOverwritten(maps: readonly KeyedMap<BtfValue, BtfValue>[]): void {
  for (const { raw: { elements }, valueSize } of maps) {
    if (![...elements.key, ...elements.value].every((byte) => byte === 0x5a)) {
      console.log(`the buffer of a map of ${valueSize} bytes was overwritten`);
    }
  }
}

function batchOf(capacity: number): void {
  using map = BpfMap.create<number, bigint>({
    type: "hash",
    keySize: 4,
    valueSize: 8,
    maxEntries: 8192,
  });
  map.setAll(Array.from({ length: 8192 }, (_, index): [number, bigint] => [index, 1n]));
  using batch = linuxKernel().mapBatch(map.fd, 4, 8, capacity);
  if (!Number.isSafeInteger(capacity)) console.log(`a batch of ${capacity} elements was made`);
  const neighbours = canaries();
  batch.lookup();
  batch.update(capacity);
  batch.delete(-1);
  tellOverwritten(neighbours);
}

/** Faults by name; the test uses these names. */
export const faults: { readonly [name: string]: () => void | Promise<void> } = {
  "writing into the view that consume() gives": async () => {
    const { object, ring } = await filledRing();
    let count = 0;
    ring.consume((view) => {
      count++;
      scribble(view);
    });
    if (count === 0) console.log("no record came, so this says nothing");
    ring.close();
    object[Symbol.dispose]();
  },
  "writing into the view that lease() gives": async () => {
    const { object, ring } = await filledRing();
    const lease = ring.lease();
    if (!lease.next()) console.log("no record came, so this says nothing");
    scribble(lease.view);
    lease[Symbol.dispose]();
    object[Symbol.dispose]();
  },
  "writing into the view that a callback of records gets": async () => {
    const { object, ring } = await filledRing();
    ring.close();
    const reader = object.maps.get("ring").openRecords({
      decoder: {
        size: 64,
        decode(view: DataView, start: number): number {
          scribble(view);
          return start;
        },
      },
    });
    if (reader.drain().length === 0) console.log("no record came, so this says nothing");
    reader.close();
    object[Symbol.dispose]();
  },
  "writing into the memory of .rodata": async () => {
    const object = await BpfObject.load(fixture("loading"));
    const rodata = [...object.maps].find(({ name }) => name.endsWith(".rodata"));
    if (rodata === undefined) throw new Error("the fixture has no .rodata");
    scribble(new DataView(rodata.memory.buffer));
    object[Symbol.dispose]();
  },
  "writing into the mapping of .rodata by Atomics": async () => {
    const object = await BpfObject.load(fixture("loading"));
    const rodata = [...object.maps].find(({ name }) => name.endsWith(".rodata"));
    if (rodata === undefined) throw new Error("the fixture has no .rodata");
    Atomics.add(rodata.mapping.i32, 0, 1);
    rodata.mapping.big64[0] = 1n;
    object[Symbol.dispose]();
  },
  "writing into the memory of an array with BPF_F_RDONLY_PROG": () => {
    using map = BpfMap.create({
      type: "array",
      keySize: 4,
      valueSize: 8,
      maxEntries: 1024,
      flags: BPF_F_MMAPABLE | BPF_F_RDONLY_PROG,
    });
    scribble(new DataView(map.memory.buffer));
  },
  "writing into the memory of a frozen array": () => {
    using map = BpfMap.create({
      type: "array",
      keySize: 4,
      valueSize: 8,
      maxEntries: 1024,
      flags: BPF_F_MMAPABLE,
    });
    map.freeze();
    scribble(new DataView(map.memory.buffer));
  },
  "reading an arena that was made with BPF_F_SEGV_ON_FAULT": () => {
    using map = BpfMap.create({
      type: "arena",
      maxEntries: 4,
      flags: BPF_F_MMAPABLE | BPF_F_SEGV_ON_FAULT,
    });
    console.error(map.memory[0], map.memory[4096]);
  },
  "a batch of −1 elements": () => batchOf(-1),
  "a batch of 2³² + 1 elements": () => batchOf(2 ** 32 + 1),
  "a batch of half an element": () => batchOf(0.5),
  "a batch of no number of elements": () => batchOf(NaN),
  "mapping past the end of a file": () => {
    const path = Deno.makeTempFileSync();
    try {
      Deno.writeTextFileSync(path, "short");
      const kernel = linuxKernel();
      const fd = kernel.open(path);
      const mapping = kernel.map(fd, 16384);
      if (typeof mapping !== "number") console.error(mapping.u8[12288]);
      kernel.close(fd);
    } finally {
      Deno.removeSync(path);
    }
  },
  "mapping a file that is cut afterwards": () => {
    const path = Deno.makeTempFileSync();
    try {
      Deno.writeFileSync(path, new Uint8Array(16384));
      const kernel = linuxKernel();
      const fd = kernel.open(path);
      const mapping = kernel.map(fd, 16384);
      Deno.truncateSync(path, 0);
      if (typeof mapping !== "number") console.error(mapping.u8[12288]);
      kernel.close(fd);
    } finally {
      Deno.removeSync(path);
    }
  },
  "a kernel mapping, read-only, written to": () => {
    using map = BpfMap.create({
      type: "array",
      keySize: 4,
      valueSize: 8,
      maxEntries: 1024,
      flags: BPF_F_MMAPABLE,
    });
    const mapping = linuxKernel().map(map.fd, 4096);
    if (typeof mapping !== "number") scribble(mapping.view);
  },
  "a kernel mapping in place, read-only, written to": () => {
    using map = BpfMap.create({
      type: "array",
      keySize: 4,
      valueSize: 8,
      maxEntries: 1024,
      flags: BPF_F_MMAPABLE,
    });
    const mapping = linuxKernel().map(map.fd, 4096, { inPlace: true });
    if (typeof mapping !== "number") scribble(mapping.view);
  },
  "looking at the view that consume() gives": async () => {
    const { object, ring } = await filledRing();
    let shown = "";
    ring.consume((view) => {
      shown = Deno.inspect(view);
    });
    if (/Internal Formatting Error/.test(shown)) console.log("console.log(view) shows an error");
    ring.close();
    object[Symbol.dispose]();
  },
  "a user ring's reservation of 2³² bytes": () => {
    using map = BpfMap.create({ type: "user_ringbuf", maxEntries: 4096 });
    using ring = UserRingBuffer.open(linuxKernel(), map.fd, 4096);
    for (const length of [2 ** 32, 2 ** 31, 2 ** 32 - 8, 4097]) {
      let room;
      try {
        room = ring.reserve(length);
      } catch {
        continue;
      }
      if (room !== undefined) console.log(`${length} bytes of a ring of 4096 were given`);
    }
  },
  "a user ring's view written to": () => {
    using map = BpfMap.create({ type: "user_ringbuf", maxEntries: 4096 });
    using ring = UserRingBuffer.open(linuxKernel(), map.fd, 4096);
    const room = ring.reserve(16);
    if (room !== undefined) scribble(room.view);
    room?.discard();
  },
  "a user ring of another size than the map's": () => {
    using map = BpfMap.create({ type: "user_ringbuf", maxEntries: 4096 });
    for (const size of [-4096, 0.5, 1 << 20, 2 ** 33]) {
      try {
        using ring = UserRingBuffer.open(linuxKernel(), map.fd, size);
        for (let count = 0; count < 4; count++) ring.write(new Uint8Array(2000));
      } catch {
        // A refusal is correct.
      }
    }
  },
  "a buffer of the map's memory that was sent to another owner": () => {
    const before = descriptors();
    const map = BpfMap.create({
      type: "array",
      keySize: 4,
      valueSize: 8,
      maxEntries: 1024,
      flags: BPF_F_MMAPABLE,
    });
    const { buffer } = map.memory;
    const moved = structuredClone(buffer, { transfer: [buffer] });
    try {
      map[Symbol.dispose]();
    } catch (error) {
      console.log(`disposing threw ${error}`);
    }
    // The new owner has valid memory or a detached buffer, never an unmapped address.
    if (moved.byteLength > 0) scribble(new DataView(moved));
    const after = descriptors();
    if (after !== before) console.log(`${after - before} descriptors stay open`);
  },
  "a buffer of an element that was sent to another owner": () => {
    const before = descriptors();
    const map = BpfMap.create({ type: "hash", keySize: 4, valueSize: 65536, maxEntries: 8 });
    const { buffer } = map.raw.elements.value;
    const moved = structuredClone(buffer, { transfer: [buffer] });
    try {
      map.raw.lookup();
    } catch {
      // A refusal is correct.
    }
    try {
      map[Symbol.dispose]();
    } catch (error) {
      console.log(`disposing threw ${error}`);
    }
    if (moved.byteLength > 0) scribble(new DataView(moved));
    const after = descriptors();
    if (after !== before) console.log(`${after - before} descriptors stay open`);
  },
  "maps whose sizes are no sizes": () => {
    const neighbours = canaries();
    const sizes = [4096 - 2 ** 32, 4096 + 2 ** 32, 0.5, -1, NaN, 2 ** 53];
    for (const size of sizes) {
      for (
        const shape of [
          { keySize: 4, valueSize: size, maxEntries: 4 },
          { keySize: size, valueSize: 8, maxEntries: 4 },
          { keySize: 4, valueSize: 8, maxEntries: size },
        ]
      ) {
        try {
          using map = BpfMap.create({ type: "hash", ...shape });
          console.log(`${JSON.stringify(shape)} (${size}) was accepted`);
          const { elements } = map.raw;
          neighbours.push(...canaries());
          elements.update();
          elements.next(true);
          elements.lookup();
        } catch {
          // A refusal is correct.
        }
      }
    }
    tellOverwritten(neighbours);
  },
};

function descriptors(): number {
  // Descriptors that are opened once per process are open now.
  BpfMap.create({ type: "hash", keySize: 4, valueSize: 8, maxEntries: 1 })[Symbol.dispose]();
  return linuxKernel().readDirectory("/proc/self/fd")?.length ?? -1;
}

if (import.meta.main) {
  try {
    await faults[Deno.args[0] ?? ""]?.();
  } catch (error) {
    // An error is correct; print it for the test's output.
    console.error(`refused: ${error}`);
  }
  console.log("done");
}
