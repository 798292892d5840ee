import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import big from "../tests/fixtures/big_endian/linking.bpf.o" with { type: "bytes" };
import linking from "../tests/fixtures/linking.bpf.o" with { type: "bytes" };
import links from "../tests/fixtures/links.bpf.o" with { type: "bytes" };
import legacy from "../tests/fixtures/wrong/legacy_map.bpf.o" with { type: "bytes" };
import libcCall from "../tests/fixtures/wrong/libc_call.bpf.o" with { type: "bytes" };
import noType from "../tests/fixtures/wrong/no_type.bpf.o" with { type: "bytes" };
import pinnedInner from "../tests/fixtures/wrong/pinned_inner.bpf.o" with { type: "bytes" };
import sizesDiffer from "../tests/fixtures/wrong/sizes_differ.bpf.o" with { type: "bytes" };
import staticMap from "../tests/fixtures/wrong/static_map.bpf.o" with { type: "bytes" };
import staticProgram from "../tests/fixtures/wrong/static_program.bpf.o" with { type: "bytes" };
import unknownKey from "../tests/fixtures/wrong/unknown_key.bpf.o" with { type: "bytes" };
import { SkepError } from "../errors/skep_error.ts";
import { ObjectError } from "./spec/error.ts";
import { elfBytes, symbolBytes } from "../tests/support/elf_bytes.ts";
import { ObjectSpec } from "./object_spec.ts";

for (const [order, bytes] of [["little", linking], ["big", big]] as const) {
  const parse = (): ObjectSpec => ObjectSpec.parse(bytes, { name: "dir/linking.x.bpf.o" });

  Deno.test(`ObjectSpec reads programs and subprograms of a ${order}-endian object`, () => {
    const spec = parse();
    assertEquals(spec.littleEndian, order === "little");
    assertEquals(spec.license, "Dual MIT/GPL");
    assertEquals(spec.objectName, "linking");
    assertEquals(
      [...spec.programs].map((
        { name, section, type, autoload },
      ) => [name, section, type, autoload]),
      [
        ["callee", "tc", "sched_cls", true],
        ["caller", "tc", "sched_cls", true],
        ["kernel_user", "tp_btf/sched_switch", "tracing", false],
      ],
    );
    assertEquals(
      [...spec.subprograms].map(({ name, global }) => [name, global]),
      [["middle", true], ["deepest", false], ["hidden_one", false], ["on_exception", true]],
    );
  });

  Deno.test(`ObjectSpec reads maps of a ${order}-endian object in libbpf's order`, () => {
    const spec = parse();
    assertEquals(
      [...spec.maps].map(({ name, kernelName, type, keySize, valueSize }) =>
        [name, kernelName, type, keySize, valueSize].join(" ")
      ),
      [
        "jumps jumps prog_array 4 4",
        "sizes sizes hash 8 16",
        "last last array 4 8",
        ".rodata linking.rodata array 4 16",
        ".rodata.custom_section .rodata.custom_ array 4 4",
        ".data linking.data array 4 4",
        ".data.private .data.private array 4 4",
        ".bss linking.bss array 4 32",
        ".kconfig linking.kconfig array 4 25",
      ],
    );
    const sizes = spec.maps.get("sizes");
    assertEquals([sizes.maxEntries, sizes.flags, sizes.mapExtra], [100, 1, 0x10n]);
    assertEquals(sizes.pinning, "by-name");
    assertEquals(spec.maps.get("jumps").slots, [{ index: 2, name: "callee" }]);
  });

  Deno.test(`ObjectSpec sets and reads variables of a ${order}-endian object`, () => {
    const spec = parse();
    const { variables } = spec;
    assertEquals(variables.get("limit").get(), 7);
    assertEquals(variables.get("pair").get(), { left: 1, name: "one" });
    assertEquals(variables.get("color").get(), "GREEN");
    variables.get("limit").set(9);
    variables.get("pair").set({ name: "two" });
    variables.get("color").set("RED");
    variables.get("totals").set([1n, 2n, 3n, 4n]);
    assertEquals(variables.get("limit").get(), 9);
    assertEquals(variables.get("pair").get(), { left: 1, name: "two" });
    assertEquals(variables.get("color").get(), "RED");
    assertEquals(variables.get("totals").get(), [1n, 2n, 3n, 4n]);
    // The object is unchanged.
    assertEquals(parse().variables.get("limit").get(), 7);
  });

  Deno.test(`ObjectSpec numbers the externs of a ${order}-endian object as libbpf does`, () => {
    assertEquals(
      parse().externs.map(({ name, kind, weak, offset, size }) => [name, kind, weak, offset, size]),
      [
        ["CONFIG_WIDE", "kconfig", true, 0, 8],
        ["CONFIG_HZ", "kconfig", false, 8, 4],
        ["CONFIG_BPF", "kconfig", true, 12, 1],
        ["CONFIG_NAME", "kconfig", true, 13, 12],
        ["bpf_absent___flavor", "kfunc", true, 0, 0],
        ["bpf_rcu_read_lock", "kfunc", false, 0, 0],
        ["some_variable", "ksym-typed", true, 0, 0],
      ],
    );
    assertEquals(parse().externs[4]?.essentialName, "bpf_absent");
    assertEquals(parse().externs[1]?.kconfig, { kind: "int", signed: true });
  });
}

Deno.test("ObjectSpec marks memory-mappable data maps, and ignores hidden variables", () => {
  const spec = ObjectSpec.parse(linking);
  const mappable = (name: string): boolean => (spec.maps.get(name).flags & 1 << 10) !== 0;
  assertEquals([".data", ".bss", ".rodata", ".kconfig"].map(mappable), [true, true, true, true]);
  // Its only variable is hidden.
  assertEquals(mappable(".data.private"), false);
  assertEquals(spec.variables.get("hidden_counter").linkage, "static");
  assertEquals(spec.variables.get("counter").linkage, "global");
});

Deno.test("ObjectSpec allocates a zero-filled section at first use", () => {
  const spec = ObjectSpec.parse(linking);
  const bss = spec.maps.get(".bss");
  assertEquals(bss.zeroed, true);
  spec.variables.get("totals").set([0n, 1n, 0n, 0n]);
  assertEquals(bss.zeroed, false);
});

Deno.test("ObjectSpec reads both byte orders to the same instructions", () => {
  const little = ObjectSpec.parse(linking);
  const other = ObjectSpec.parse(big);
  for (const program of little.programs) {
    // Opcodes and registers are the same; data offsets may differ by what the compiler chose.
    const codes = (bytes: Uint8Array): number[] =>
      [...bytes].filter((_, index) => index % 8 === 0 || index % 8 === 1);
    assertEquals(
      codes(program.instructions),
      codes(other.programs.get(program.name).instructions),
    );
  }
});

Deno.test("ObjectSpec reads the template and the static slots of a map of maps", () => {
  const outer = ObjectSpec.parse(links).maps.get("outer");
  assertEquals([outer.type, outer.valueSize], ["array_of_maps", 4]);
  assertEquals(outer.slots, [{ index: 0, name: "inner_one" }]);
  assertEquals(
    [outer.inner?.name, outer.inner?.type, outer.inner?.valueSize],
    ["outer.inner", "array", 8],
  );
});

Deno.test("ObjectSpec serializes to the same plain JSON each time", () => {
  const first = JSON.stringify(ObjectSpec.parse(linking, { name: "x" }));
  assertEquals(JSON.stringify(ObjectSpec.parse(linking, { name: "x" })), first);
  const { programs, variables } = JSON.parse(first);
  assertEquals(programs[2].attach, {
    kind: "tp_btf",
    attachable: "target-named",
    name: "sched_switch",
  });
  assertEquals(variables.length > 8, true);
});

const refusals: readonly (readonly [string, Uint8Array, string, string])[] = [
  ["a static map", staticMap, "EOPNOTSUPP", "maps must be global"],
  ["an unknown member of a map", unknownKey, "EOPNOTSUPP", "member colour is unknown"],
  ["a map without type", noType, "EINVAL", "it has no type"],
  ["sizes that contradict each other", sizesDiffer, "EINVAL", "4 bytes, another member 8"],
  ["a pinned inner map", pinnedInner, "EINVAL", "an inner map cannot be pinned"],
  ["a static program", staticProgram, "EOPNOTSUPP", "is static"],
  ["a call of a libc function", libcCall, "ENOENT", "BPF programs cannot call libc functions"],
  ["a legacy map", legacy, "EOPNOTSUPP", "legacy map definition"],
];
for (const [what, bytes, errno, text] of refusals) {
  Deno.test(`ObjectSpec refuses ${what} with libbpf's errno`, () => {
    const error = assertThrows(() => ObjectSpec.parse(bytes, { name: "x.bpf.o" }), ObjectError);
    assertEquals([error.errno, error.stage], [errno, "open"]);
    assertStringIncludes(error.message, text);
  });
}

Deno.test("ObjectSpec refuses functions that overlap too often", () => {
  const parse = (aliases: number): ObjectSpec =>
    ObjectSpec.parse(elfBytes([
      { name: "xdp", type: 1, flags: 6, data: new Uint8Array(64) },
      {
        name: ".symtab",
        type: 2,
        entrySize: 24,
        link: 3,
        data: symbolBytes([
          {},
          ...Array.from({ length: aliases }, () => ({ name: 1, info: 0x12, section: 1, size: 64 })),
        ]),
      },
    ]));
  assertEquals(parse(2).programs.size, 2);
  assertThrows(() => parse(1000), ObjectError);
});

Deno.test("ObjectSpec ignores unknown members with relaxedMaps", () => {
  assertEquals(ObjectSpec.parse(unknownKey, { relaxedMaps: true }).maps.names(), ["table"]);
});

Deno.test("ObjectSpec reads legacy maps with legacyMaps", () => {
  const [map] = ObjectSpec.parse(legacy, { legacyMaps: true }).maps;
  assertEquals(
    [map?.name, map?.type, map?.keySize, map?.valueSize, map?.maxEntries, map?.origin],
    ["table", "hash", 4, 8, 16, "legacy"],
  );
});

Deno.test("variables refuse a value that does not fit, and keep their value", () => {
  const variable = ObjectSpec.parse(linking).variables.get("pair");
  const error = assertThrows(() => variable.set({ left: "many" }), ObjectError);
  assertStringIncludes(error.message, "left");
  assertEquals(variable.get(), { left: 1, name: "one" });
  assertThrows(() => ObjectSpec.parse(linking).variables.get("CONFIG_HZ").set(1), ObjectError);
});

Deno.test("a data map's contents grow and shrink with its value size", () => {
  const map = ObjectSpec.parse(linking).maps.get(".bss");
  map.valueSize = 64;
  assertEquals(map.contents?.length, 64);
  map.valueSize = 8;
  assertEquals(map.contents?.length, 8);
  assertThrows(() => map.contents = new Uint8Array(3), ObjectError);
  assertThrows(() => map.valueSize = -1, ObjectError);
});

Deno.test("ObjectSpec returns a result or throws a typed error for every damaged input", () => {
  let seed = 20261124;
  const random = (below: number): number => {
    seed = Math.imul(seed, 1103515245) + 12345 >>> 0;
    return (seed >>> 8) % below;
  };
  let refused = 0;
  for (let round = 0; round < 1500; round++) {
    const bytes = Uint8Array.from(round % 2 === 0 ? linking : links);
    for (let flips = 1 + random(6); flips > 0; flips--) {
      bytes[random(bytes.length)] = [0, 0xff, 0x7f, random(256)][random(4)] as number;
    }
    try {
      const spec = ObjectSpec.parse(bytes.subarray(0, bytes.length - random(4) * random(200)));
      JSON.stringify(spec);
    } catch (error) {
      if (!(error instanceof SkepError)) throw error;
      refused++;
    }
  }
  assertEquals(refused > 300, true);
});
