// Detects whether libbpf's tables were made on the kernel build that is running.

import { Btf } from "../../btf/mod.ts";
import type { Baseline } from "./baseline.ts";

/**
 * Compares type ids of tracepoints and iterators in the tables with the running kernel's BTF,
 * without using the loader.
 */
export async function madeHere(baseline: Baseline): Promise<boolean> {
  const btf = Btf.parse(await Deno.readFile("/sys/kernel/btf/vmlinux"), { name: "vmlinux" });
  for (const programs of baseline.programs.values()) {
    for (const { ok, section, facts } of programs) {
      if (!ok || facts.attachBtfId === 0) continue;
      const [, kind, name] = /^(tp_btf|iter)\/(\w+)$/.exec(section) ?? [];
      if (name === undefined) continue;
      const here = kind === "tp_btf"
        ? btf.find(`btf_trace_${name}`, "typedef")
        : btf.find(`bpf_iter_${name}`, "func");
      if (here !== facts.attachBtfId) return false;
    }
  }
  return true;
}
