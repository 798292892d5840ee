import { assert } from "@std/assert";
import { kernelTest } from "../../../tests/support/kernel.ts";
import { native } from "./native.ts";
import { systemCalls } from "./syscalls.ts";

kernelTest("bpf() goes through a fast call, not through libffi", { unprivileged: true }, () => {
  // A number passed for a 64-bit parameter takes Deno off its fast path. The same system call bound that
  // way is the reference for a slow call on this machine (130 to 240 ns more).
  const slow = Deno.dlopen("libc.so.6", {
    call: { name: "syscall", parameters: ["i64", "i64", "pointer", "u64"], result: "i32" },
  });
  const { syscall32 } = native();
  // Separate loops keep the compiler's type feedback of the two apart.
  const fastRound = (): number => {
    const start = performance.now();
    for (let round = 0; round < 20_000; round++) syscall32(systemCalls.getpid, 0, null, 0);
    return performance.now() - start;
  };
  const slowRound = (): number => {
    const { call } = slow.symbols;
    const [number, zero] = [systemCalls.getpid, 0] as unknown as [bigint, bigint];
    const start = performance.now();
    for (let round = 0; round < 20_000; round++) call(number, zero, null, zero);
    return performance.now() - start;
  };
  let [fastest, slowest] = [Infinity, Infinity];
  for (let round = 0; round < 15; round++) {
    fastest = Math.min(fastest, fastRound());
    slowest = Math.min(slowest, slowRound());
  }
  slow.close();
  assert(fastest < slowest * 0.85, `${fastest} ms against ${slowest} ms on the slow path`);
});
