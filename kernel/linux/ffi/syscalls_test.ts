import { assertEquals } from "@std/assert";
import { processCallTables } from "../../process/process_calls.ts";
import { systemCallTables } from "./syscalls.ts";

/** Where Linux's headers tell an architecture's numbers; every one of them has the generic header. */
const HEADERS = {
  x86_64: ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"],
  aarch64: ["/usr/include/asm-generic/unistd.h"],
} as const;

function header(paths: readonly string[]): string | undefined {
  for (const path of paths) {
    if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") continue;
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

for (const arch of ["x86_64", "aarch64"] as const) {
  const text = header(HEADERS[arch]);
  const name = `the numbers of system calls on ${arch} are those of Linux's header`;
  Deno.test({
    name: text === undefined ? `${name} [skipped: needs Linux's headers]` : name,
    ignore: text === undefined,
    fn(): void {
      const numbers = new Map<string, number>();
      // "3264" marks calls whose name differs between 32 and 64 bits.
      for (const line of (text ?? "").matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm)) {
        numbers.set(line[1] ?? "", Number(line[2]));
      }
      for (const table of [systemCallTables[arch], processCallTables[arch]]) {
        for (const [call, number] of Object.entries(table)) {
          assertEquals(number, numbers.get(call), call);
        }
      }
    },
  });
}

Deno.test("both architectures have the same system calls", () => {
  for (const { x86_64, aarch64 } of [systemCallTables, processCallTables]) {
    assertEquals(Object.keys(aarch64).sort(), Object.keys(x86_64).sort());
  }
});
