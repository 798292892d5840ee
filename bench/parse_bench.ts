/**
 * Bytes to sections, bytes to types, bytes to a spec; the kernel's BTF indexed and searched.
 *
 *     deno bench -A bench/parse_bench.ts
 *
 * @module
 */

import { Btf, BtfExt, printAllC } from "../btf/mod.ts";
import { ElfFile } from "../elf/mod.ts";
import { ObjectSpec } from "../object/mod.ts";

const root = new URL("../", import.meta.url);
const object = Deno.readFileSync(new URL("examples/execsnoop/execsnoop.bpf.o", root));
const size = `${(object.length / 1024).toFixed(1)} KiB`;
const elf = ElfFile.parse(object);
const types = elf.section(".BTF")?.data ?? new Uint8Array(0);
const extensions = elf.section(".BTF.ext")?.data ?? new Uint8Array(0);
const objectBtf = Btf.parse(types);

Deno.bench(`ELF: parse ${size}`, { group: "object" }, () => {
  ElfFile.parse(object);
});
Deno.bench("BTF: parse and validate", { group: "object" }, () => {
  Btf.parse(types);
});
Deno.bench("BTF: parse, then decode every type", { group: "object" }, () => {
  const btf = Btf.parse(types);
  for (let id = 0; id < btf.endId; id++) btf.type(id);
});
Deno.bench(".BTF.ext: parse", { group: "object" }, () => {
  BtfExt.parse(extensions, objectBtf);
});
Deno.bench("spec: parse", { group: "object", baseline: true }, () => {
  ObjectSpec.parse(object);
});

const kernel = readKernelBtf();
if (kernel !== undefined) {
  const index = (): Btf => Btf.parse(kernel, { trusted: true });
  const warm = index();
  warm.candidates("task_struct", "struct");
  Deno.bench("kernel BTF: index", { group: "kernel", baseline: true }, () => {
    index();
  });
  Deno.bench("kernel BTF: index and find one struct", { group: "kernel" }, () => {
    index().find("task_struct", "struct");
  });
  Deno.bench("kernel BTF: index and 20 CO-RE candidates", { group: "kernel" }, () => {
    const btf = index();
    for (let round = 0; round < 20; round++) btf.candidates(`task_struct${round}`, "struct");
  });
  Deno.bench("kernel BTF: index and validate all", { group: "kernel" }, () => {
    Btf.parse(kernel);
  });
  Deno.bench("kernel BTF: find by name, indexed", { group: "find" }, () => {
    warm.candidates("sk_buff", "struct");
  });
  Deno.bench("kernel BTF: vmlinux.h", { group: "print" }, () => {
    printAllC(warm);
  });
}

function readKernelBtf(): Uint8Array | undefined {
  try {
    return Deno.readFileSync("/sys/kernel/btf/vmlinux");
  } catch {
    return undefined;
  }
}
