import { assert, assertEquals } from "@std/assert";
import { textUpToNul } from "./ffi/attributes.ts";
import { getNumber, setField } from "../../uapi/fields.ts";
import { Errno, errnoName } from "../../uapi/errno.ts";
import { check, KernelError } from "../../errors/kernel_error.ts";
import { parseCpuList } from "./machine.ts";
import { takeAnswers } from "./network.ts";
import { isSmall } from "./programs.ts";
import { Mapping } from "../mapping.ts";
import { syscallStubImage } from "./ffi/syscall_stub.ts";

Deno.test("errnoName names numbers of either sign and unknown ones", () => {
  assertEquals(errnoName(-Errno.EINVAL), "EINVAL");
  assertEquals(errnoName(95), "EOPNOTSUPP");
  assertEquals(errnoName(-4000), "E4000");
});

Deno.test("check passes results on and throws refusals with command, errno and stage", () => {
  const facts = {
    doing: "load",
    subject: "x",
    command: "BPF_PROG_LOAD",
    stage: "program",
  } as const;
  assertEquals(check(7, facts), 7);
  try {
    check(-Errno.EACCES, facts);
  } catch (error) {
    assert(error instanceof KernelError);
    const { errno, number, command, stage } = error;
    const expected = { errno: "EACCES", number: 13, command: "BPF_PROG_LOAD", stage: "program" };
    assertEquals({ errno, number, command, stage } as unknown, expected);
    assertEquals(error.message, "load x: EACCES: access is denied");
    return;
  }
  throw new TypeError("Cannot come here: check must throw");
});

Deno.test("setField and getNumber access every size and bit field without touching neighbours", () => {
  const bytes = new Uint8Array(24).fill(0xff);
  const view = new DataView(bytes.buffer);
  setField(view, [0, 1], 1);
  setField(view, [2, 2], 0x1234);
  setField(view, [4, 4], -1);
  setField(view, [8, 8], 2 ** 40 + 3);
  setField(view, [16, 8, 10, 2], 1);
  assertEquals(getNumber(view, [0, 1]), 1);
  assertEquals(bytes[1], 0xff);
  assertEquals(getNumber(view, [2, 2]), 0x1234);
  assertEquals(getNumber(view, [4, 4]), 0xffffffff);
  assertEquals(getNumber(view, [8, 8]), 2 ** 40 + 3);
  assertEquals(getNumber(view, [16, 8, 10, 2]), 1);
  assertEquals(view.getBigUint64(16, true), 0xfffffffffffff7ffn);
});

Deno.test("textUpToNul ends at the first NUL, or at the end", () => {
  const text = new TextEncoder().encode("ab\0cd");
  assertEquals(textUpToNul(text), "ab");
  assertEquals(textUpToNul(text.subarray(3)), "cd");
});

Deno.test("parseCpuList reads ranges and returns nothing for other texts", () => {
  assertEquals(parseCpuList("0-2,5\n"), [0, 1, 2, 5]);
  assertEquals(parseCpuList("0"), [0]);
  assertEquals(parseCpuList(""), []);
  assertEquals(parseCpuList("0-x"), []);
});

function message(type: number, sequence: number, payload: readonly number[]): number[] {
  const bytes = new Uint8Array(16 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint32(8, sequence, true);
  bytes.set(payload, 16);
  return [...bytes];
}

Deno.test("takeAnswers returns the request's answers and outcome, and skips those of others", () => {
  const answers: Uint8Array<ArrayBuffer>[] = [];
  const bytes = [
    ...message(16, 1, [1, 2, 3, 4]),
    ...message(16, 9, []),
    ...message(3, 1, [0, 0, 0, 0]),
  ];
  assertEquals(takeAnswers(new Uint8Array(bytes), 1, answers), 0);
  assertEquals(answers.map((answer) => answer.length), [20]);
  assertEquals(
    takeAnswers(new Uint8Array(message(2, 1, [0xff, 0xff, 0xff, 0xff])), 1, []),
    -Errno.EPERM,
  );
  assertEquals(takeAnswers(new Uint8Array(message(16, 1, [])), 1, []), undefined);
  assertEquals(takeAnswers(new Uint8Array(16), 1, []), -Errno.EBADMSG);
});

Deno.test("isSmall is false for long programs and backward jumps", () => {
  const exit = [0x95, 0, 0, 0, 0, 0, 0, 0];
  const program = (...code: number[]): Uint8Array => new Uint8Array([...code, ...exit]);
  assert(isSmall(program()));
  assert(isSmall(program(0x85, 0, 0, 0, 5, 0, 0, 0)), "a helper");
  assert(isSmall(program(0x05, 0, 0, 0, 0, 0, 0, 0)), "a jump ahead");
  assertEquals(isSmall(program(0x05, 0, 0xff, 0xff, 0, 0, 0, 0)), false);
  assertEquals(isSmall(program(0x1d, 0, 0xfe, 0xff, 0, 0, 0, 0)), false);
  assertEquals(isSmall(program(0x06, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)), false, "gotol");
  assert(
    isSmall(program(0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff)),
    "a subprogram that stands before",
  );
  assert(isSmall(program(0x85, 0x20, 0xff, 0xff, 1, 0, 0, 0)), "a kfunc of a module");
  assert(isSmall(new Uint8Array(384 * 8)));
  assertEquals(isSmall(new Uint8Array(385 * 8)), false);
});

Deno.test("syscallStubImage is a shared object whose one symbol is the code", () => {
  for (
    const [arch, machine, last] of [["x86_64", 62, "0f05c3"], ["aarch64", 183, "c0035fd6"]] as const
  ) {
    const image = syscallStubImage(arch);
    const view = new DataView(image.buffer);
    assertEquals(view.getUint32(0, false), 0x7f454c46);
    assertEquals(view.getUint16(16, true), 3);
    assertEquals(view.getUint16(18, true), machine);
    const [symbols] = [0x200];
    const at = view.getUint32(symbols + 32, true);
    const size = view.getUint32(symbols + 40, true);
    assert(image.subarray(at, at + size).toHex().endsWith(last));
  }
});

Deno.test("Mapping detaches every view, once", () => {
  let released = 0;
  const mapping = new Mapping(new ArrayBuffer(20), 4096, () => released++);
  const { u8, u32, i32, big64, view } = mapping;
  assertEquals([u8.length, u32.length, i32.length, big64.length], [20, 5, 5, 2]);
  mapping[Symbol.dispose]();
  mapping[Symbol.dispose]();
  assertEquals([u8.length, u32.length, i32.length, big64.length], [0, 0, 0, 0]);
  assertEquals([mapping.size, mapping.address, mapping.closed, released], [0, 0, true, 1]);
  assertEquals(mapping.u8.length, 0);
  let refused = false;
  try {
    view.getUint8(0);
  } catch {
    refused = true;
  }
  assert(refused);
});
