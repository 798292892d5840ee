import { assertEquals, assertThrows } from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import type { ProgramSpec, Reference, RelocatedProgram } from "../../object/spec/spec.ts";
import { type ExternTarget, type ReferenceTargets, resolveReferences } from "./references.ts";

function linked(count: number, references: Reference[]): RelocatedProgram {
  const instructions = new Uint8Array(count * 8);
  for (let at = 0; at < instructions.length; at += 8) instructions[at] = 0x18;
  return {
    program: { name: "p" } as ProgramSpec,
    instructions,
    references,
    subprograms: [],
    core: [],
  };
}

function targets(extern: ExternTarget): ReferenceTargets {
  return {
    map: (name) => name === "missing" ? { missing: 3 } : { fd: 7 },
    extern: () => extern,
    jumpTable: () => 11,
  };
}

function words(code: Uint8Array): number[] {
  return [...new Uint32Array(code.buffer, 0, code.length / 4)];
}

const none: ExternTarget = { kind: "missing", index: 5 };

Deno.test("both kinds of map references get the map's descriptor and their pseudo source", () => {
  const code = resolveReferences(
    linked(4, [
      { kind: "map", instruction: 0, map: "m" },
      { kind: "map-value", instruction: 2, map: "m", offset: 24 },
    ]),
    targets(none),
  );
  assertEquals(words(code), [0x1018, 7, 0x18, 0, 0x2018, 7, 0x18, 24]);
});

Deno.test("the relocated code is not modified", () => {
  const program = linked(2, [{ kind: "map", instruction: 0, map: "m" }]);
  resolveReferences(program, targets(none));
  assertEquals(words(program.instructions), [0x18, 0, 0x18, 0]);
});

Deno.test("a map that was not created poisons both halves with its index", () => {
  const code = resolveReferences(
    linked(2, [{ kind: "map", instruction: 0, map: "missing" }]),
    targets(none),
  );
  assertEquals(words(code), [0x85, 2001000003, 0x85, 2001000003]);
});

Deno.test("kernel symbols become an address, a variable's type, or zero", () => {
  const symbol: Reference = { kind: "ksym", instruction: 0, extern: "x" };
  const run = (extern: ExternTarget): number[] =>
    words(resolveReferences(linked(2, [symbol]), targets(extern)));
  assertEquals(run({ kind: "address", address: 0xffffffff81000000n }), [
    0x18,
    0x81000000,
    0x18,
    0xffffffff,
  ]);
  assertEquals(run({ kind: "variable", typeId: 99, btfFd: 4 }), [0x3018, 99, 0x18, 4]);
  assertEquals(run({ kind: "kconfig", map: 6, offset: 8 }), [0x2018, 6, 0x18, 8]);
  assertEquals(run(none), [0x18, 0, 0x18, 0]);
});

Deno.test("kfunc calls carry the type id and the descriptor's index, or poison", () => {
  const call: Reference = { kind: "kfunc", instruction: 0, extern: "x" };
  const run = (extern: ExternTarget): number[] =>
    words(resolveReferences(linked(1, [call]), targets(extern)));
  assertEquals(run({ kind: "kfunc", typeId: 1234, descriptorIndex: 2, btfFd: 0 }), [
    0x00022018,
    1234,
  ]);
  assertEquals(run(none), [0x85, 2002000005]);
});

Deno.test("a reference past the end of the code is a typed error", () => {
  assertThrows(
    () => resolveReferences(linked(1, [{ kind: "map", instruction: 0, map: "m" }]), targets(none)),
    SkepError,
    "past the program's end",
  );
});
