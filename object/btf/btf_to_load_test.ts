import { assert, assertEquals, assertThrows } from "@std/assert";
import linking from "../../tests/fixtures/linking.bpf.o" with { type: "bytes" };
import structOps from "../../tests/fixtures/struct_ops.bpf.o" with { type: "bytes" };
import { Btf } from "../../btf/btf.ts";
import type { DatasecType } from "../../btf/types.ts";
import { ObjectError } from "../spec/error.ts";
import { btfToLoad } from "./btf_to_load.ts";
import { ObjectSpec } from "../object_spec.ts";
import { BTF_GENERATIONS, MODERN_BTF } from "./sanitize_btf.ts";

function section(btf: Btf, name: string): DatasecType {
  const id = btf.find(name, "datasec");
  const type = id === undefined ? undefined : btf.type(id);
  assert(type?.kind === "datasec");
  return type;
}

Deno.test("btfToLoad keeps every id and name offset", () => {
  const spec = ObjectSpec.parse(linking);
  assert(spec.btf !== undefined);
  const btf = Btf.parse(btfToLoad(spec));
  for (let id = 1; id < spec.btf.endId; id++) {
    assertEquals([btf.kindName(id), btf.nameOf(id)], [spec.btf.kindName(id), spec.btf.nameOf(id)]);
  }
});

Deno.test("btfToLoad fills in what clang leaves to the loader", () => {
  const btf = Btf.parse(btfToLoad(ObjectSpec.parse(linking)));
  const rodata = section(btf, ".rodata");
  assertEquals(rodata.size, 16);
  assertEquals(
    rodata.variables.map(({ type, offset, size }) => [btf.nameOf(type), offset, size]),
    [["limit", 0, 4], ["pair", 4, 12]],
  );
  const hidden = btf.type(btf.find("hidden_counter", "var") ?? 0);
  assertEquals(hidden.kind === "var" && hidden.linkage, "static");
  const linkage = (name: string): string => {
    const type = btf.type(btf.find(name, "func") ?? 0);
    return type.kind === "func" ? type.linkage : type.kind;
  };
  assertEquals(["middle", "hidden_one", "caller"].map(linkage), ["global", "static", "global"]);
});

Deno.test("btfToLoad turns externs into definitions that the kernel accepts", () => {
  const btf = Btf.parse(btfToLoad(ObjectSpec.parse(linking)));
  const ksyms = section(btf, ".ksyms");
  assertEquals(ksyms.size, 12);
  assertEquals(ksyms.variables.map(({ offset, size }) => [offset, size]), [[0, 4], [4, 4], [8, 4]]);
  assertEquals(
    ksyms.variables.map(({ type }) => btf.nameOf(type)).sort(),
    ["dummy_ksym", "dummy_ksym", "some_variable"],
  );
  const kconfig = section(btf, ".kconfig");
  assertEquals(kconfig.size, 25);
  assertEquals(kconfig.variables.map(({ offset }) => offset), [0, 8, 12, 13]);
  for (let id = 1; id < btf.endId; id++) {
    const type = btf.type(id);
    if (type.kind === "func" || type.kind === "var") assertEquals(type.linkage === "extern", false);
  }
});

Deno.test("btfToLoad resizes the last array of a resized section", () => {
  const spec = ObjectSpec.parse(linking);
  spec.maps.get(".bss").valueSize = 80;
  const btf = Btf.parse(btfToLoad(spec));
  const bss = section(btf, ".bss");
  assertEquals([bss.size, bss.variables[0]?.size], [80, 80]);
  const variable = btf.type(bss.variables[0]?.type ?? 0);
  const array = btf.type(variable.kind === "var" ? variable.type : 0);
  assertEquals(array.kind === "array" && array.length, 10);
});

Deno.test("btfToLoad replaces kinds that an older kernel does not support, under the same ids", () => {
  for (const bytes of [linking, structOps]) {
    const spec = ObjectSpec.parse(bytes);
    assert(spec.btf !== undefined);
    const oldest = BTF_GENERATIONS[BTF_GENERATIONS.length - 1];
    const btf = Btf.parse(btfToLoad(spec, oldest));
    const old = new Set(["int", "ptr", "array", "struct", "union", "enum", "fwd", "typedef"]);
    for (const word of ["volatile", "const", "restrict", "void"]) old.add(word);
    for (let id = 0; id < spec.btf.endId; id++) assert(old.has(btf.kindName(id)), btf.kindName(id));
    for (const generation of BTF_GENERATIONS) Btf.parse(btfToLoad(spec, generation));
  }
});

Deno.test("btfToLoad renames sections with a question mark for kernels before 6.9", () => {
  const spec = ObjectSpec.parse(structOps);
  const names = (questionMarks: boolean): string[] => {
    const btf = Btf.parse(btfToLoad(spec, { ...MODERN_BTF, questionMarks }));
    const found: string[] = [];
    for (let id = 1; id < btf.endId; id++) {
      if (btf.kindName(id) === "datasec") found.push(btf.nameOf(id));
    }
    return found;
  };
  assertEquals(names(false), names(true).map((name) => name.replace("?", "_")));
});

Deno.test("btfToLoad refuses an object without BTF", () => {
  const bytes = Uint8Array.from(linking);
  const spec = ObjectSpec.parse(bytes);
  const without = Object.create(spec, { btf: { value: undefined } }) as ObjectSpec;
  assertThrows(() => btfToLoad(without), ObjectError);
});
