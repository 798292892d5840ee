import { assertEquals, assertThrows } from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { copyRecord, decodeRecord } from "./decoder.ts";
import { bytesOf, RecordView } from "./record_view.ts";

Deno.test("RecordView reads like a DataView, copies bytes, and cannot write", () => {
  const memory = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
  const view = new RecordView(memory.buffer);
  assertEquals([view.getUint8(0), view.getUint32(4, true), view.byteLength], [1, 0x08070605, 8]);
  const copy = view.bytes(2, 3);
  copy[0] = 99;
  assertEquals([...copy, ...memory.subarray(2, 5)], [99, 4, 5, 3, 4, 5]);
  const setters = Object.getOwnPropertyNames(DataView.prototype).filter((name) =>
    name.startsWith("set")
  );
  assertEquals(setters.length >= 10, true);
  for (const name of setters) {
    const set: unknown = Reflect.get(view, name);
    assertThrows(
      () => typeof set === "function" ? Reflect.apply(set, view, [0, 0]) : undefined,
      SkepError,
      "EACCES",
      name,
    );
  }
  assertThrows(() => view.buffer, SkepError, "view.bytes");
  assertEquals(Deno.inspect(view), "RecordView { byteLength: 8 }");
  assertEquals([...memory], [1, 2, 3, 4, 5, 6, 7, 8]);
});

Deno.test("records of a RecordView are copied and decoded", () => {
  const view = new RecordView(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer);
  assertEquals([...copyRecord(view, 1, 2)], [2, 3]);
  assertEquals([...bytesOf(view, 6, 2)], [7, 8]);
  const number = { size: 4, decode: (view: DataView, at: number) => view.getUint32(at, true) };
  assertEquals(decodeRecord(number, view, 4, 4), 0x08070605);
  assertEquals(decodeRecord(number, view, 6, 2), 0x0807, "what is missing reads as zero");
});
