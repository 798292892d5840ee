import { assertEquals, assertThrows } from "@std/assert";
import linking from "../../tests/fixtures/linking.bpf.o" with { type: "bytes" };
import { ObjectError } from "../spec/error.ts";
import { decodeInstruction, toLittleEndian } from "./instruction.ts";
import { encodeInstruction } from "../../tests/support/instructions.ts";
import { relocateOne } from "../../tests/support/relocate.ts";
import { ObjectSpec } from "../object_spec.ts";
import { printInstruction, printInstructions } from "./print.ts";

/** Encodes one instruction from opcode, destination, source, offset and immediate. */
function bytesOf(
  opcode: number,
  destination = 0,
  source = 0,
  offset = 0,
  immediate = 0,
): Uint8Array<ArrayBuffer> {
  return encodeInstruction({ opcode, destination, source, offset, immediate });
}

const texts: readonly (readonly [Uint8Array, string])[] = [
  [bytesOf(0xb7, 1, 0, 0, -5), "r1 = -5"],
  [bytesOf(0xbc, 1, 2), "w1 = w2"],
  [bytesOf(0xbf, 1, 2, 8), "r1 = (s8)r2"],
  [bytesOf(0xbc, 1, 2, 16), "w1 = (s16)w2"],
  [bytesOf(0xbf, 1, 2, 1, 1), "r1 = addr_space_cast(r2, 0, 1)"],
  [bytesOf(0xbf, 1, 2, 1, 1 << 16), "r1 = addr_space_cast(r2, 1, 0)"],
  [bytesOf(0x3f, 1, 2, 1), "r1 s/= r2"],
  [bytesOf(0x97, 1, 0, 1, 7), "r1 s%= 7"],
  [bytesOf(0xc7, 1, 0, 0, 3), "r1 s>>= 3"],
  [bytesOf(0x87, 4), "r4 = -r4"],
  [bytesOf(0xdc, 1, 0, 0, 16), "r1 = be16 r1"],
  [bytesOf(0xd4, 1, 0, 0, 32), "r1 = le32 r1"],
  [bytesOf(0xd7, 1, 0, 0, 64), "r1 = bswap64 r1"],
  [bytesOf(0x79, 1, 10, -8), "r1 = *(u64 *)(r10 -8)"],
  [bytesOf(0x81, 1, 2, 4), "r1 = *(s32 *)(r2 +4)"],
  [bytesOf(0x62, 10, 0, -4, 9), "*(u32 *)(r10 -4) = 9"],
  [bytesOf(0x73, 10, 3, -1), "*(u8 *)(r10 -1) = r3"],
  [bytesOf(0xdb, 1, 2, 0, 0), "lock *(u64 *)(r1 +0) += r2"],
  [bytesOf(0xc3, 1, 2, 0, 0x51), "r2 = atomic_fetch_and((u32 *)(r1 +0), r2)"],
  [bytesOf(0xdb, 1, 2, 8, 0xe1), "r2 = atomic64_xchg((u64 *)(r1 +8), r2)"],
  [bytesOf(0xdb, 1, 2, 8, 0xf1), "r0 = atomic64_cmpxchg((u64 *)(r1 +8), r0, r2)"],
  [bytesOf(0xd3, 1, 2, 8, 0x100), "r1 = load_acquire((u8 *)(r2 +8))"],
  [bytesOf(0xcb, 1, 2, 8, 0x110), "store_release((u16 *)(r1 +8), r2)"],
  [bytesOf(0x15, 1, 0, 3, 16), "if r1 == 0x10 goto pc+3"],
  [bytesOf(0xce, 1, 2, -3), "if w1 s< w2 goto pc-3"],
  [bytesOf(0x45, 1, 0, 1, 4), "if r1 & 0x4 goto pc+1"],
  [bytesOf(0x05, 0, 0, -2), "goto pc-2"],
  [bytesOf(0x06, 0, 0, 0, 70000), "gotol pc+70000"],
  [bytesOf(0xe5, 0, 0, 5), "may_goto pc+5"],
  [bytesOf(0x0d, 3), "gotox r3"],
  [bytesOf(0x85, 0, 0, 0, 1), "call bpf_map_lookup_elem#1"],
  [bytesOf(0x85, 0, 1, 0, 7), "call pc+7"],
  [bytesOf(0x85, 0, 2, 0, 99), "call kfunc#99"],
  [bytesOf(0x85, 0, 0, 0, 195896080), "call poison (CO-RE)"],
  [bytesOf(0x85, 0, 0, 0, 2001000003), "call poison (map 3)"],
  [bytesOf(0x95), "exit"],
  [bytesOf(0x30, 0, 0, 0, 14), "r0 = *(u8 *)skb[14]"],
  [bytesOf(0x48, 0, 3, 0, 2), "r0 = *(u16 *)skb[r3 + 2]"],
  [bytesOf(0xff), "unknown opcode 0xff"],
  [bytesOf(0x18, 1), "r1 = half a 64-bit load"],
];
for (const [bytes, text] of texts) {
  Deno.test(`printInstruction prints ${text}`, () => {
    assertEquals(printInstruction(bytes, 0), text);
  });
}

Deno.test("printInstruction prints a 64-bit load with both halves", () => {
  const wide = new Uint8Array(16);
  wide.set(bytesOf(0x18, 2, 0, 0, -1));
  wide.set(bytesOf(0, 0, 0, 0, 0x12), 8);
  assertEquals([...printInstructions(wide)], ["   0: r2 = 0x12ffffffff"]);
});

Deno.test("printInstructions names maps, externs and subprograms of a linked program", () => {
  const spec = ObjectSpec.parse(linking);
  const linked = relocateOne(spec, spec.programs.get("callee"));
  const symbols = new Map([[0, ".rodata"], [3, "deepest"]]);
  const lines = [...printInstructions(linked.instructions, { symbols })];
  assertEquals(lines[0], "   0: r1 = map[.rodata][0]+0");
  assertEquals(lines[2], "   3: call deepest (pc+10)");
});

Deno.test("instructions survive decoding and encoding", () => {
  for (const [bytes] of texts) {
    assertEquals(encodeInstruction(decodeInstruction(bytes, 0)), bytes);
  }
  assertThrows(() => decodeInstruction(bytesOf(0x95), 1), ObjectError);
});

Deno.test("toLittleEndian swaps numbers and registers", () => {
  const big = new Uint8Array([0x79, 0x1a, 0xff, 0xf8, 0x00, 0x00, 0x01, 0x02]);
  assertEquals(
    toLittleEndian(big),
    new Uint8Array([0x79, 0xa1, 0xf8, 0xff, 0x02, 0x01, 0x00, 0x00]),
  );
});
