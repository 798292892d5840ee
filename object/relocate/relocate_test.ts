import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import exceptions from "../../tests/fixtures/exceptions.bpf.o" with { type: "bytes" };
import linking from "../../tests/fixtures/linking.bpf.o" with { type: "bytes" };
import links from "../../tests/fixtures/links.bpf.o" with { type: "bytes" };
import { CoreTargets } from "../../btf/core/mod.ts";
import { RelocationError } from "../spec/error.ts";
import { immediateOf, sourceOf } from "../code/instruction.ts";
import { relocateOne } from "../../tests/support/relocate.ts";
import { relocate } from "./relocate.ts";
import { ObjectSpec } from "../object_spec.ts";
import { poisonOf } from "../code/poison.ts";

Deno.test("relocate appends subprograms where their first call is met, depth first", () => {
  const spec = ObjectSpec.parse(linking);
  const { subprograms, instructions } = relocateOne(spec, spec.programs.get("caller"));
  assertEquals(subprograms, [
    { name: "hidden_one", instruction: 16 },
    { name: "middle", instruction: 24 },
    { name: "deepest", instruction: 27 },
    // Nothing calls it: the program names it as its exception callback.
    { name: "on_exception", instruction: 33 },
  ]);
  const callees = [1, 14, 17, 21, 24].map((at) => at + 1 + immediateOf(instructions, at));
  assertEquals(callees, [16, 24, 24, 27, 27]);
});

Deno.test("relocate lists the map values, kfuncs and symbols that instructions refer to", () => {
  const spec = ObjectSpec.parse(linking);
  const { references, instructions } = relocateOne(spec, spec.programs.get("kernel_user"));
  assertEquals(references, [
    { kind: "kfunc", instruction: 0, extern: "bpf_rcu_read_lock" },
    { kind: "ksym", instruction: 1, extern: "bpf_absent___flavor" },
    { kind: "kfunc", instruction: 5, extern: "bpf_absent___flavor" },
    { kind: "ksym", instruction: 7, extern: "some_variable" },
    { kind: "map-value", instruction: 11, map: ".kconfig", offset: 8 },
    { kind: "map-value", instruction: 15, map: ".kconfig", offset: 12 },
    { kind: "map-value", instruction: 19, map: ".kconfig", offset: 13 },
    { kind: "map-value", instruction: 25, map: ".kconfig", offset: 0 },
  ]);
  assertEquals(sourceOf(instructions, 0), 2);
  assertEquals(immediateOf(instructions, 12), 8);
});

Deno.test("relocate makes a callback's address a distance", () => {
  const spec = ObjectSpec.parse(links);
  const program = spec.programs.get("first");
  const linked = relocateOne(spec, program);
  const callback = linked.subprograms.find(({ name }) => name === "each");
  const at = [...Array(linked.instructions.length / 8).keys()].find((index) =>
    linked.instructions[index * 8] === 0x18 && sourceOf(linked.instructions, index) === 4
  );
  assert(callback !== undefined && at !== undefined);
  assertEquals(at + 1 + immediateOf(linked.instructions, at), callback.instruction);
});

Deno.test("relocate adjusts func_info and line_info to appended code", () => {
  const spec = ObjectSpec.parse(linking);
  const { funcInfo, lineInfo, instructions } = relocateOne(spec, spec.programs.get("caller"));
  assert(funcInfo !== undefined && lineInfo !== undefined && spec.btf !== undefined);
  const functions = new Uint32Array(funcInfo.records.buffer);
  const { btf } = spec;
  assertEquals(
    [0, 1, 2, 3, 4].map((index) => [
      functions[index * 2],
      btf.nameOf(functions[index * 2 + 1] as number),
    ]),
    [[0, "caller"], [16, "hidden_one"], [24, "middle"], [27, "deepest"], [33, "on_exception"]],
  );
  const lines = new Uint32Array(lineInfo.records.buffer);
  const starts = [...lines].filter((_, index) => index % 4 === 0);
  assertEquals(starts, [...starts].sort((a, b) => a - b));
  assertEquals(starts.every((start) => start < instructions.length / 8), true);
});

Deno.test("relocate leaves two exception callbacks to the verifier, and refuses one that does not exist", () => {
  const spec = ObjectSpec.parse(exceptions);
  const { subprograms } = relocateOne(spec, spec.programs.get("two_callbacks"));
  assertEquals(subprograms, []);
  const error = assertThrows(
    () => relocateOne(spec, spec.programs.get("absent_callback")),
    RelocationError,
    "nowhere",
  );
  assertEquals(error.errno, "ENOENT");
});

Deno.test("relocate poisons uses of a map that is not created", () => {
  const spec = ObjectSpec.parse(linking);
  const map = spec.maps.get(".rodata");
  map.autocreate = false;
  const { instructions, references } = relocateOne(spec, spec.programs.get("callee"));
  for (const half of [0, 1]) {
    assertEquals(poisonOf(immediateOf(instructions, half)), { kind: "map", index: map.index });
  }
  assertEquals(
    references.filter((reference) => "map" in reference && reference.map === ".rodata"),
    [],
  );
});

Deno.test("relocate does not modify the spec", () => {
  const spec = ObjectSpec.parse(linking);
  const program = spec.programs.get("caller");
  const before = program.instructions.slice();
  const first = relocateOne(spec, program);
  first.instructions.fill(0xff);
  assertEquals(program.instructions, before);
  const second = relocateOne(spec, program);
  assertEquals(second.instructions[0], before[0]);
});

Deno.test("relocate returns a result or an error for each program", () => {
  const spec = ObjectSpec.parse(links);
  const { programs } = relocate(spec, [...spec.programs]);
  assertEquals(programs.map((entry) => "error" in entry), [false, true]);
  const failure = programs[1];
  assert(failure !== undefined && "error" in failure);
  assert(failure.error instanceof RelocationError);
  assertEquals(failure.error.errno, "ESRCH");
  assertStringIncludes(failure.error.message, "CO-RE");
});

Deno.test("relocate applies CO-RE against given types and records the decisions", () => {
  const spec = ObjectSpec.parse(links);
  assert(spec.btf !== undefined);
  // The object's types serve as the kernel's, so every field keeps its offset.
  const { programs, decisions } = relocate(spec, [spec.programs.get("second")], {
    core: new CoreTargets(spec.btf),
  });
  const [linked] = programs;
  assert(linked !== undefined && !("error" in linked));
  assertEquals(decisions.length > 0, true);
  assertEquals(linked.core.map(({ decision }) => decision), decisions);
  assertEquals(decisions.every(({ outcome }) => outcome.kind === "value"), true);
});

Deno.test("relocate refuses a program of another object", () => {
  const spec = ObjectSpec.parse(linking);
  const [other] = ObjectSpec.parse(links).programs;
  assert(other !== undefined);
  assertThrows(() => relocateOne(spec, other), RelocationError);
});
