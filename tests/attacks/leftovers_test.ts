// A worker that is terminated and a program that `deno run --watch` starts anew close nothing themselves: what
// they attached must not keep the next start out, nor pile up.

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
    `attack: what ${name} leaves does not pile up or keep the next start out`,
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

testWith("root", "attack: what is taken up from ended workers is nobody else's", async () => {
  const ended = await runChild("handed_over.ts", { through: ALONE, timeout: 40_000 });
  assertEquals(ended.code, 0, ended.error);
  assertEquals(ended.out.trim().split("\n"), ["done"]);
});

testWith("root", "attack: a disposed map says that it was disposed, not EBADF alone", () => {
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
