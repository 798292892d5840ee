import { assert, assertEquals } from "@std/assert";
import type { Instruction } from "../object/code/instruction.ts";
import { encodeInstruction } from "../tests/support/instructions.ts";
import { Helper } from "../uapi/enums.ts";
import { contextUse } from "./context_use.ts";

const R1 = 1;
const R2 = 2;
const R3 = 3;
const R6 = 6;
const FRAME = 10;

function instruction(opcode: number, facts: Partial<Instruction> = {}): Uint8Array {
  return encodeInstruction({
    opcode,
    destination: 0,
    source: 0,
    offset: 0,
    immediate: 0,
    ...facts,
  });
}

/** `to = from`. */
const move = (to: number, from: number): Uint8Array =>
  instruction(0xbf, { destination: to, source: from });
/** `to = number`. */
const number = (to: number, immediate: number): Uint8Array =>
  instruction(0xb7, { destination: to, immediate });
/** `to += number`. */
const add = (to: number, immediate: number): Uint8Array =>
  instruction(0x07, { destination: to, immediate });
/** `to = *(u64 *)(from + offset)`. */
const load = (to: number, from: number, offset: number): Uint8Array =>
  instruction(0x79, { destination: to, source: from, offset });
/** `*(u64 *)(to + offset) = from`. */
const store = (to: number, offset: number, from: number): Uint8Array =>
  instruction(0x7b, { destination: to, source: from, offset });
const call = (immediate: number, source: number = 0): Uint8Array =>
  instruction(0x85, { immediate, source });
/** `if (register != 0) goto +offset`. */
const branch = (register: number, offset: number): Uint8Array =>
  instruction(0x55, { destination: register, offset });
const exit = instruction(0x95);

function use(...code: Uint8Array[]): string | undefined {
  const bytes = new Uint8Array(code.length * 8);
  code.forEach((one, index) => bytes.set(one, index * 8));
  const found = contextUse(bytes);
  return found === undefined ? undefined : `${found.instruction}: ${found.text}`;
}

Deno.test("contextUse() finds nothing in a program that leaves its context alone", () => {
  assertEquals(use(number(0, 0), exit), undefined);
  assertEquals(use(move(R6, R1), call(Helper.ktime_get_ns), number(0, 0), exit), undefined);
  assertEquals(use(), undefined);
});

Deno.test("contextUse() finds a field that is read, also after the address was moved and advanced", () => {
  assertEquals(use(load(0, R1, 16), exit), "0: reads 8 bytes of its context");
  assertEquals(
    use(move(R6, R1), call(Helper.ktime_get_ns), add(R6, 16), load(0, R6, 0), exit),
    "3: reads 8 bytes of its context",
  );
});

Deno.test("contextUse() follows both ways of a branch, and loops", () => {
  assertEquals(use(branch(R2, 1), load(0, R1, 8), exit), "1: reads 8 bytes of its context");
  assertEquals(use(add(R2, 1), branch(R2, -2), exit), undefined);
  assertEquals(
    use(move(R3, FRAME), branch(R2, 2), add(R3, -8), branch(R2, -3), load(0, R1, 0), exit),
    "4: reads 8 bytes of its context",
  );
});

Deno.test("contextUse() forgets registers that are written or lost in a call", () => {
  assertEquals(use(number(R1, 0), load(0, R1, 0), exit), undefined);
  assertEquals(use(call(Helper.ktime_get_ns), load(0, R1, 0), exit), undefined);
});

Deno.test("contextUse() allows helpers that take the context as a handle", () => {
  for (const helper of [Helper.perf_event_output, Helper.get_stackid, Helper.get_attach_cookie]) {
    assertEquals(use(call(helper), exit), undefined);
  }
});

Deno.test("contextUse() takes any other helper and function that is given the context for a reader", () => {
  assertEquals(
    use(move(R3, R1), number(R1, 0), call(Helper.probe_read_kernel), exit),
    "2: passes its context to probe_read_kernel",
  );
  assertEquals(use(call(Helper.tail_call), exit), "0: passes its context to tail_call");
  assertEquals(use(call(-1, 1), exit), "0: passes its context to another function");
  assertEquals(use(call(5, 2), exit), "0: passes its context to a kernel function");
});

Deno.test("contextUse() follows the context through the stack", () => {
  const keep = store(FRAME, -16, R1);
  assertEquals(
    use(keep, load(R2, FRAME, -16), load(0, R2, 0), exit),
    "2: reads 8 bytes of its context",
  );
  assertEquals(use(keep, load(R2, FRAME, -8), load(0, R2, 0), exit), undefined);
  assertEquals(
    use(keep, number(R2, 0), store(FRAME, -16, R2), load(R2, FRAME, -16), load(0, R2, 0), exit),
    undefined,
  );
});

Deno.test("contextUse() sees the context leave by way of memory", () => {
  const keep = store(FRAME, -16, R1);
  const give = [move(R1, FRAME), add(R1, -16)];
  assertEquals(
    use(keep, ...give, call(-1, 1), exit),
    "3: passes memory that holds the address of its context to another function",
  );
  assertEquals(
    use(keep, ...give, call(Helper.probe_read_kernel), exit),
    "3: passes memory that holds the address of its context to probe_read_kernel",
  );
  // A helper that reads above the slot does not read the context.
  const above = [number(R1, 0), move(R2, FRAME), add(R2, -8)];
  assertEquals(use(keep, ...above, call(Helper.map_lookup_elem), exit), undefined);
  assertEquals(use(store(R2, 0, R1), exit), "0: keeps the address of its context");
});

Deno.test("contextUse() sees the context written", () => {
  assertEquals(use(store(R1, 0, R2), exit), "0: writes to its context");
});

Deno.test("contextUse() ends soon whatever the code is", () => {
  let seed = 12345;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return seed % below;
  };
  const opcodes = [0x79, 0x7b, 0xbf, 0x07, 0x0f, 0x55, 0x05, 0x85, 0x18, 0xdb, 0x06, 0xff];
  const code = new Uint8Array(8 * 20_000);
  for (let round = 0; round < 20; round++) {
    for (let at = 0; at < code.length; at++) code[at] = random(256);
    // Mostly opcodes that the analysis follows, and short jumps.
    for (let at = 0; at < code.length; at += 8) {
      code[at] = opcodes[random(opcodes.length)] as number;
      code[at + 3] = random(2) * 255;
    }
    const start = performance.now();
    contextUse(code);
    contextUse(code.subarray(0, random(code.length)));
    assert(performance.now() - start < 5000);
  }
  // Every store saves the context, in a loop around all of them.
  const stores = Array.from(
    { length: 16_000 },
    (_, index) => store(FRAME, -8 * (index % 64 + 1), R1),
  );
  assertEquals(use(...stores, branch(R2, -16_001), exit), undefined);
  assertEquals(
    use(...Array.from({ length: 65_537 }, () => exit)),
    "0: is too long to analyze whether it reads its context",
  );
  assertEquals(use(store(FRAME, -520, R1), exit), "0: keeps the address of its context");
});
