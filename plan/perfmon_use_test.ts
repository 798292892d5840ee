import { assert, assertEquals } from "@std/assert";
import type { MapSpec, ProgramSpec } from "../object/spec/spec.ts";
import {
  PERFMON_PROGRAMS,
  type PerfmonProgram,
  VALUE_SIZE,
} from "../tests/support/perfmon_programs.ts";
import { Functions } from "./functions.ts";
import { type PerfmonUse, perfmonUse } from "./perfmon_use.ts";

function map(name: string, type: MapSpec["type"]): MapSpec {
  return {
    name,
    kernelName: name,
    origin: "maps",
    section: ".maps",
    type,
    keySize: 4,
    valueSize: VALUE_SIZE,
    maxEntries: 1,
    flags: 0,
    numaNode: 0,
    mapExtra: 0n,
    pinning: "none",
    keyTypeId: 0,
    valueTypeId: 0,
    slots: [],
    contents: undefined,
    zeroed: true,
    index: 0,
    autocreate: true,
    autoattach: true,
  };
}

type One = Pick<PerfmonProgram, "type" | "code"> & Partial<PerfmonProgram>;

function uses({ type, code, references = [] }: One): readonly PerfmonUse[] {
  const program: ProgramSpec = {
    name: "program",
    section: type,
    type,
    flags: 0,
    attach: { kind: "none", attachable: "no" },
    autoload: true,
    autoattach: true,
    instructions: code,
    sectionOffset: 0,
  };
  const functions = new Functions({
    name: "x.bpf.o",
    maps: [map("values", "array"), map("arena", "arena")],
    programs: [program],
    relocations: references.map(({ instruction, map, offset }) => ({
      function: "program",
      instruction,
      kind: offset === undefined ? "map" : "data",
      target: map,
      offset,
    })),
  });
  return perfmonUse(program, functions, { btf: undefined, externs: new Map() });
}

for (const one of PERFMON_PROGRAMS) {
  const { name, verdict, text } = one;
  Deno.test(`perfmonUse(): CAP_PERFMON is ${verdict}: ${name}`, () => {
    const found = uses(one);
    const said = found.some(({ certain }) => certain)
      ? "needed"
      : found.length > 0
      ? "maybe"
      : "not needed";
    assertEquals([said, found[0]?.text], [verdict, text], JSON.stringify(found));
  });
}

Deno.test("perfmonUse() ends soon whatever the code is, and says where it gave up", () => {
  let seed = 12345;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  const opcodes = [
    0x79,
    0x7b,
    0xbf,
    0x07,
    0x0f,
    0x55,
    0x05,
    0x85,
    0x18,
    0xdb,
    0x06,
    0xff,
    0xb7,
    0xa5,
  ];
  const code = new Uint8Array(8 * 20_000);
  for (let round = 0; round < 20; round++) {
    for (let at = 0; at < code.length; at++) code[at] = random(256);
    for (let at = 0; at < code.length; at += 8) {
      code[at] = opcodes[random(opcodes.length)] as number;
      code[at + 3] = random(2) * 255;
    }
    const start = performance.now();
    uses({ type: "xdp", code });
    uses({ type: "xdp", code: code.slice(0, random(code.length)) });
    assert(performance.now() - start < 5000);
  }
  // Each branch sets one of four registers on one path only, so each one could double the number of states.
  const diamonds = Array.from({ length: 2000 }, (_, index) => [
    [0xbf, 0x16, 0, 0, 0, 0, 0, 0],
    [0x55, 6, 1, 0, 0, 0, 0, 0],
    [0xb7, 2 + index % 4, 0, 0, index & 255, 0, 0, 0],
  ]).flat(2);
  const number = [0x61, 0x11, 12, 0, 0, 0, 0, 0];
  const exit = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
  const start = performance.now();
  const found = uses({ type: "xdp", code: new Uint8Array([...number, ...diamonds, ...exit]) });
  assert(performance.now() - start < 5000);
  assertEquals(found.filter(({ certain }) => certain), []);
});
