// A terminated worker and a program restarted by `deno run --watch` do not close their descriptors. Their
// attachments must not block the next start, and their descriptors must not accumulate.

import { assertEquals } from "@std/assert";
import { BpfMap } from "../../mod.ts";
import { testWith } from "../support/needs.ts";
import { ALONE, runChild } from "./support/child.ts";

for (
  const [how, name] of [
    ["terminate", "a worker that is terminated"],
    ["close", "a worker that closes itself"],
    ["watch", "deno run --watch"],
  ] as const
) {
  testWith(
    "root",
    `attack: descriptors left by ${name} do not accumulate or block the next start`,
    async () => {
      const ended = await runChild("leftovers.ts", {
        args: [how],
        through: ALONE,
        timeout: 40_000,
      });
      assertEquals(ended.code, 0, ended.error);
      assertEquals(ended.out.trim().split("\n").filter((line) => line !== "attached"), ["done"]);
    },
  );
}

testWith(
  "root",
  "attack: cleanup after ended workers closes no descriptor of another owner",
  async () => {
    const ended = await runChild("handed_over.ts", { through: ALONE, timeout: 40_000 });
    assertEquals(ended.code, 0, ended.error);
    assertEquals(ended.out.trim().split("\n"), ["done"]);
  },
);

testWith("root", "attack: the error for a disposed map says that it was disposed", () => {
  const map = BpfMap.create<number, bigint>({
    type: "hash",
    keySize: 4,
    valueSize: 8,
    maxEntries: 4,
  });
  map.set(1, 1n);
  const entries = map.entries();
  map[Symbol.dispose]();
  const uses: { readonly [name: string]: () => unknown } = {
    get: () => map.get(1),
    set: () => map.set(1, 1n),
    delete: () => map.delete(1),
    entries: () => [...map.entries()],
    "entries from before": () => [...entries],
    info: () => map.info(),
    freeze: () => map.freeze(),
    setAll: () => map.setAll([[1, 1n], [2, 2n]]),
    raw: () => map.raw.get(new Uint8Array(4)),
  };
  const silent: string[] = [];
  for (const [name, use] of Object.entries(uses)) {
    try {
      use();
      silent.push(`${name} is not refused`);
    } catch (error) {
      const text = `${error instanceof Error ? error.message : error}`;
      if (!/dispos/.test(text)) silent.push(`${name}: ${text}`);
    }
  }
  assertEquals(silent, []);
});
