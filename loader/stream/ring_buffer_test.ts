import { assert, assertEquals, assertThrows } from "@std/assert";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import type { FakeRing } from "../../kernel/fake/ring.ts";
import { MapType } from "../../uapi/enums.ts";
import { RingBuffer } from "./ring_buffer.ts";

const number = {
  size: 4,
  decode: (view: DataView, offset: number): number => view.getUint32(offset, true),
};

function record(value: number, size = 4): Uint8Array {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** A ring buffer map of a fake kernel, and the producer's side of it. */
function fakeRing(start: number = 0, machine: string = "x86_64"): {
  readonly ring: FakeRing;
  readonly from: readonly [kernel: FakeKernel, fd: number, size: number];
} {
  const kernel = new FakeKernel({ machine: { machine } });
  const map = { type: MapType.ringbuf, keySize: 0, valueSize: 0, maxEntries: 4096 };
  const fd = kernel.mapCreate(map);
  const ring = kernel.ring(fd);
  ring.start(start);
  return { ring, from: [kernel, fd, map.maxEntries] };
}

function open(from: readonly [kernel: FakeKernel, fd: number, size: number]): RingBuffer<number> {
  return RingBuffer.open<number>(...from, { decoder: number, name: "events" });
}

for (const machine of ["x86_64", "aarch64"]) {
  Deno.test(`RingBuffer reads records in order across the end of the buffer (${machine})`, () => {
    const { ring, from } = fakeRing(0, machine);
    using reader = open(from);
    const seen: number[] = [];
    let next = 0;
    for (let round = 0; round < 50; round++) {
      while (ring.output(record(next, 4 + next % 40))) next++;
      seen.push(...reader.drain());
    }
    assert(next > 4000);
    assertEquals(seen, Array.from({ length: next }, (_, index) => index));
    assertEquals(reader.records, next);
    assertEquals(reader.available, 0);
  });
}

Deno.test("RingBuffer goes on past 2^32 bytes and publishes both words of its position", () => {
  const { ring, from } = fakeRing(2 ** 32 - 64);
  using reader = open(from);
  for (let value = 0; value < 20; value++) {
    assert(ring.output(record(value)));
    assertEquals(reader.drain(), [value]);
  }
  assertEquals(ring.position, 2 ** 32 - 64 + 20 * 16);
});

Deno.test("RingBuffer stops at a record that is reserved and not submitted", () => {
  const { ring, from } = fakeRing();
  using reader = open(from);
  ring.output(record(1));
  const busy = ring.reserve(record(2));
  ring.output(record(3));
  assertEquals(reader.drain(), [1]);
  assertEquals(reader.drain(), []);
  ring.submit(busy);
  assertEquals(reader.drain(), [2, 3]);
});

Deno.test("RingBuffer skips discarded records and frees their space", () => {
  const { ring, from } = fakeRing();
  using reader = open(from);
  ring.submit(ring.reserve(record(1)), true);
  ring.output(record(2));
  assertEquals(reader.drain(), [2]);
  assertEquals(ring.position, 32);
  assertEquals(reader.records, 1);
});

Deno.test("RingBuffer.consume counts the record whose callback throws as read", () => {
  const { ring, from } = fakeRing();
  using reader = open(from);
  ring.output(record(1));
  ring.output(record(2));
  assertThrows(
    () =>
      reader.consume(() => {
        throw new Error("no");
      }),
    Error,
    "no",
  );
  assertEquals(ring.position, 16);
  assertEquals(reader.drain(), [2]);
});

Deno.test("RingBuffer.consume stops when the callback returns false, and at the limit", () => {
  const { ring, from } = fakeRing();
  using reader = open(from);
  for (let value = 0; value < 6; value++) ring.output(record(value));
  assertEquals(reader.consume(() => false), 1);
  assertEquals(reader.consume(() => {}, 2), 2);
  assertEquals(reader.drain(), [3, 4, 5]);
});

Deno.test("RingBuffer.consume refuses to be called from its own callback", () => {
  const { ring, from } = fakeRing();
  using reader = open(from);
  ring.output(record(1));
  assertThrows(() => reader.consume(() => void reader.drain()), Error, "already being read");
});

Deno.test("RingBuffer.lease reads in place and frees the space when it is disposed", () => {
  const { ring, from } = fakeRing();
  using reader = open(from);
  ring.output(record(7, 5));
  ring.output(record(8));
  {
    using lease = reader.lease();
    assert(lease.next());
    assertEquals([lease.view.getUint32(lease.offset, true), lease.length], [7, 5]);
    assertEquals(lease.copy(), record(7, 5));
    assertEquals(ring.position, 0);
    assertThrows(() => reader.drain(), Error, "already being read");
  }
  assertEquals(ring.position, 16);
  assertEquals(reader.drain(), [8]);
});

Deno.test("RingBuffer decodes a short record as if followed by zeroes", () => {
  const { ring, from } = fakeRing();
  using reader = open(from);
  ring.output(new Uint8Array([0xff, 1]));
  assertEquals(reader.drain(), [0x1ff]);
});

Deno.test("RingBuffer returns copies of the bytes without a decoder", () => {
  const { ring, from } = fakeRing();
  using reader = RingBuffer.open(...from);
  ring.output(record(5));
  const [bytes] = reader.drain();
  ring.output(record(6));
  reader.drain();
  assertEquals(bytes, record(5));
});

Deno.test("RingBuffer as an async iterable waits, and reads only requested records from the buffer", async () => {
  const { ring, from } = fakeRing();
  using reader = open(from);
  queueMicrotask(() => {
    for (const value of [1, 2, 3]) ring.output(record(value));
  });
  const seen: number[] = [];
  for await (const value of reader) {
    seen.push(value);
    if (value === 2) break;
  }
  assertEquals(seen, [1, 2]);
  assertEquals(reader.drain(), [3]);
});

Deno.test("RingBuffer ends its loops at once when it is closed while they wait", async () => {
  const { ring, from } = fakeRing();
  const reader = open(from);
  const loops = [
    Array.fromAsync(reader),
    Array.fromAsync(reader.batches()),
    reader.forEach(() => {}),
  ];
  await Promise.resolve();
  reader.close();
  assertEquals(await Promise.all(loops), [[], [], 0]);
  assertEquals(ring.mapped, 0);
  assertThrows(() => reader.drain(), Error, "it was disposed");
});

Deno.test("RingBuffer ends its loops without an error when the signal is aborted", async () => {
  const { ring, from } = fakeRing();
  using reader = open(from);
  const abort = new AbortController();
  const loop = Array.fromAsync(reader.read(abort));
  ring.output(record(9));
  setTimeout(() => abort.abort(), 5);
  assertEquals(await loop, [9]);
});

Deno.test("RingBuffer closed within its callback keeps the memory until the callback is over", () => {
  const { ring, from } = fakeRing();
  const reader = open(from);
  ring.output(record(1));
  ring.output(record(2));
  const seen: number[] = [];
  reader.consume((view, offset) => {
    reader.close();
    seen.push(view.getUint32(offset, true));
  });
  assertEquals(seen, [1]);
  assertEquals(ring.mapped, 0);
});

Deno.test("RingBuffer.batches yields the available records, at most the limit", async () => {
  const { ring, from } = fakeRing();
  using reader = open(from);
  for (let value = 0; value < 5; value++) ring.output(record(value));
  const batches: number[][] = [];
  for await (const batch of reader.batches({ limit: 2 })) {
    batches.push(batch);
    if (batches.length === 3) break;
  }
  assertEquals(batches, [[0, 1], [2, 3], [4]]);
});

Deno.test("RingBuffer.open refuses a size that no ring buffer has", () => {
  const { ring, from } = fakeRing();
  assertThrows(() => RingBuffer.open(from[0], from[1], 5000), Error, "power of two");
  assertEquals(ring.mapped, 0);
});

Deno.test("a producer that never pauses does not block the event loop", async () => {
  for (const way of ["read", "batches", "forEach"] as const) {
    const { ring, from } = fakeRing();
    using reader = open(from);
    const signal = AbortSignal.timeout(30);
    const refill = (): void => void ring.output(record(1));
    refill();
    let rounds = 0;
    const end = performance.now() + 20_000;
    const more = (): boolean => {
      refill();
      rounds++;
      return performance.now() < end;
    };
    if (way === "forEach") await reader.forEach(() => more() || false, { signal });
    else {
      const stream: AsyncIterable<unknown> = reader[way]({ signal });
      for await (const _ of stream) if (!more()) break;
    }
    assert(performance.now() < end, `${way} went on for ${rounds} rounds`);
  }
});
