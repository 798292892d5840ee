import { assertEquals } from "@std/assert";
import { outputSites } from "./output_sites.ts";

type Row = readonly [
  opcode: number,
  destination: number,
  source: number,
  offset: number,
  immediate: number,
];

function assemble(...rows: readonly Row[]): Uint8Array {
  const bytes = new Uint8Array(rows.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, [opcode, destination, source, offset, immediate]] of rows.entries()) {
    view.setUint8(index * 8, opcode);
    view.setUint8(index * 8 + 1, destination | source << 4);
    view.setInt16(index * 8 + 2, offset, true);
    view.setInt32(index * 8 + 4, immediate, true);
  }
  return bytes;
}

const move = (register: number, value: number): Row => [0xb7, register, 0, 0, value];
const copy = (to: number, from: number): Row => [0xbf, to, from, 0, 0];
const load = (register: number): readonly Row[] => [[0x18, register, 1, 0, 0], [0, 0, 0, 0, 0]];
const call = (helper: number): Row => [0x85, 0, 0, 0, helper];
const exit: Row = [0x95, 0, 0, 0, 0];
const RESERVE = 131;
const PERF_OUTPUT = 25;

Deno.test("outputSites finds the size of a straight reservation", () => {
  const bytes = assemble(...load(1), move(2, 64), move(3, 0), call(RESERVE), exit);
  assertEquals(outputSites(bytes, new Map([[0, "events"]])), [
    { map: "events", instruction: 4, size: 64 },
  ]);
});

Deno.test("outputSites follows moves and both sides of a branch", () => {
  // if (r6) r2 = 64; else r2 = r7 (which is 64 too); reserve(map, r2)
  const bytes = assemble(
    move(7, 64), // 0
    ...load(8), // 1, 2
    [0x15, 6, 0, 2, 0], // 3: if r6 == 0 goto 6
    move(2, 64), // 4
    [0x05, 0, 0, 1, 0], // 5: goto 7
    copy(2, 7), // 6
    copy(1, 8), // 7
    call(RESERVE), // 8
    exit,
  );
  assertEquals(outputSites(bytes, new Map([[1, "events"]])), [
    { map: "events", instruction: 8, size: 64 },
  ]);
});

Deno.test("outputSites has no size where two paths differ", () => {
  const bytes = assemble(
    ...load(1),
    move(2, 64),
    [0x15, 6, 0, 1, 0],
    move(2, 72),
    call(RESERVE),
    exit,
  );
  assertEquals(outputSites(bytes, new Map([[0, "events"]])), [
    { map: "events", instruction: 5, size: undefined },
  ]);
});

Deno.test("outputSites forgets registers that a call, a load or arithmetic changes", () => {
  const after = (row: Row): number | undefined =>
    outputSites(
      assemble(...load(8), move(5, 40), row, copy(2, 8), call(PERF_OUTPUT), exit),
      new Map([[0, "events"]]),
    )[0]?.size;
  assertEquals(after(move(4, 1)), 40);
  assertEquals(after(call(1)), undefined);
  assertEquals(after([0x07, 5, 0, 0, 8]), undefined);
  assertEquals(after([0x79, 5, 1, 0, 0]), undefined);
});

Deno.test("outputSites terminates on a loop, and leaves out calls with an unknown map", () => {
  const bytes = assemble(
    move(2, 8),
    [0x15, 6, 0, -2, 0],
    [0x79, 1, 10, -8, 0],
    call(RESERVE),
    exit,
  );
  assertEquals(outputSites(bytes, new Map()), []);
});
