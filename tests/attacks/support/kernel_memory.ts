/**
 * Reads of kernel memory by programs: addresses and type ids that the attackers need.
 *
 * @module
 */

import { Btf } from "../../../btf/mod.ts";

/** Facts about this kernel for `read.pl`. */
export interface KernelMemory {
  /** Arguments of `read.pl`. */
  readonly args: readonly string[];
}

let known: KernelMemory | undefined;

/** Looks up an address and the type ids. Requires root, because kallsyms hides addresses from others. */
export function kernelMemory(): KernelMemory {
  return known ??= lookUp();
}

function lookUp(): KernelMemory {
  const symbols = Deno.readTextFileSync("/proc/kallsyms");
  const address = /^([0-9a-f]+) T (?:schedule|vprintk)$/m.exec(symbols)?.[1];
  if (address === undefined || /^0+$/.test(address)) throw new Error("kallsyms has no addresses");
  const btf = Btf.parse(Deno.readFileSync("/sys/kernel/btf/vmlinux"), { name: "vmlinux" });
  const id = (name: string, kind: "func" | "struct" | "typedef"): number => {
    const found = btf.find(name, kind);
    if (found === undefined) throw new Error(`the kernel has no ${kind} ${name}`);
    return found;
  };
  const task = btf.type(id("task_struct", "struct"));
  if (task.kind !== "struct") throw new Error("task_struct is no struct");
  const pid = task.members.find(({ name }) => name === "pid");
  const numbers = [
    BigInt(`0x${address}`),
    id("bpf_rdonly_cast", "func"),
    id("timespec64", "struct"),
    id("btf_trace_sched_switch", "typedef"),
    (pid?.bitOffset ?? 0) / 8,
  ];
  return { args: numbers.map(String) };
}

/** Ways to read memory, each also from a nested namespace. */
export const ways: readonly string[] = ["helper", "void", "struct", "pointer"]
  .flatMap((way) => [way, `nested ${way}`]);
