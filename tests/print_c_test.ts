/**
 * Compiles C that was printed from BTF, and asserts every size and every offset.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Btf, printAllC } from "../btf/mod.ts";
import { ElfFile } from "../elf/mod.ts";

const root = new URL("../", import.meta.url);
const clang = ["clang-19", "clang-22", "clang"].find((name) => {
  try {
    return new Deno.Command(name, { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
});
const vmlinux = "/sys/kernel/btf/vmlinux";

/** Returns the header with one assertion for each size and offset of each type whose name is unique. */
function assertions(btf: Btf): { readonly source: string; readonly count: number } {
  const lines = [printAllC(btf)];
  const names = new Map<string, number>();
  for (let id = 1; id < btf.endId; id++) {
    const name = btf.nameOf(id);
    if (["struct", "union", "enum", "enum64"].includes(btf.kindName(id))) {
      names.set(name, (names.get(name) ?? 0) + 1);
    }
  }
  for (let id = 1; id < btf.endId; id++) {
    const type = btf.type(id);
    if (type.kind !== "struct" && type.kind !== "union") continue;
    if (type.name === "" || names.get(type.name) !== 1) continue;
    const tag = `${type.kind} ${type.name}`;
    lines.push(`_Static_assert(sizeof(${tag}) == ${type.size}, "size of ${tag}");`);
    for (const { name, bitOffset, bitSize } of type.members) {
      if (name === "" || bitSize > 0) continue;
      lines.push(
        `_Static_assert(__builtin_offsetof(${tag}, ${name}) == ${
          bitOffset / 8
        }, "${tag}.${name}");`,
      );
    }
  }
  return { source: lines.join("\n"), count: lines.length - 1 };
}

async function compiles(source: string): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/types.c`, source);
    const { success, stderr } = await new Deno.Command(clang ?? "clang", {
      args: ["-target", "bpf", "-fsyntax-only", "-Wno-everything", `${directory}/types.c`],
    }).output();
    assert(success, new TextDecoder().decode(stderr).slice(0, 2000));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function testWithClang(name: string, body: () => Promise<void>, reason?: string): void {
  const missing = clang === undefined ? "needs clang" : reason;
  if (missing === undefined) Deno.test(name, body);
  else Deno.test({ name: `${name} [skipped: ${missing}]`, ignore: true, fn: body });
}

testWithClang("printAllC of an object gives clang the layout that the object has", async () => {
  for (const path of ["tests/fixtures/kinds.bpf.o", "tests/fixtures/clang14/kinds.bpf.o"]) {
    const elf = ElfFile.parse(await Deno.readFile(new URL(path, root)));
    const section = elf.section(".BTF");
    assert(section !== undefined);
    const { source, count } = assertions(Btf.parse(section.data));
    assert(count > 30);
    await compiles(source);
  }
});

testWithClang("printAllC of this kernel is a vmlinux.h with the kernel's layout", async () => {
  const btf = Btf.parse(await Deno.readFile(vmlinux), { trusted: true });
  const { source, count } = assertions(btf);
  assert(count > 10_000, `only ${count} assertions`);
  await compiles(source);
}, readable(vmlinux) ? undefined : `needs ${vmlinux}`);

Deno.test("the assertions of this test notice a wrong offset", async () => {
  const elf = ElfFile.parse(await Deno.readFile(new URL("tests/fixtures/kinds.bpf.o", root)));
  const section = elf.section(".BTF");
  assert(section !== undefined);
  const { source } = assertions(Btf.parse(section.data));
  assertEquals(source.includes("offsetof(struct packed_one, b) == 1,"), true);
});

function readable(path: string): boolean {
  try {
    Deno.openSync(path).close();
    return true;
  } catch {
    return false;
  }
}
