import { assertEquals, assertThrows } from "@std/assert";
import { attributes, NetlinkMessage } from "./netlink.ts";

Deno.test("NetlinkMessage nests attributes, pads them and counts their lengths", () => {
  const bytes = new NetlinkMessage(19, 5)
    .u8(0, 0).u16(0).u32(7, 0, 0)
    .begin(43).attribute32(1, 9).attributeText(2, "abcd").end()
    .build();
  const view = new DataView(bytes.buffer);
  assertEquals(view.getUint32(0, true), bytes.length);
  assertEquals([view.getUint16(4, true), view.getUint16(6, true)], [19, 5]);
  assertEquals(view.getUint16(34, true), 43 | 0x8000);
  const outer = attributes(bytes.subarray(32));
  const inner = attributes(outer.get(43) ?? new Uint8Array());
  assertEquals([...inner.get(1) ?? []], [9, 0, 0, 0]);
  assertEquals(new TextDecoder().decode(inner.get(2)), "abcd\0");
});

Deno.test("attributes stops at a length that exceeds the buffer", () => {
  assertEquals(attributes(new Uint8Array([200, 0, 1, 0, 1])).size, 0);
  assertEquals(attributes(new Uint8Array([0, 0, 1, 0])).size, 0);
});

Deno.test("NetlinkMessage.end throws when no attribute is open", () => {
  assertThrows(() => new NetlinkMessage(1, 1).end(), RangeError);
});
