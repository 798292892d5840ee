// A map that an object pins by name is one file in pinRoot: a name that is a path reaches no other
// application's pins.

import { assertEquals } from "@std/assert";
import { testWith } from "../support/needs.ts";
import { ALONE, runChild } from "./support/child.ts";

testWith(
  "root",
  "attack: a map called ../victim/secrets opens and makes no other pin",
  async () => {
    const ended = await runChild("pins.ts", { through: ALONE });
    assertEquals(ended.code, 0, ended.error);
    assertEquals(ended.out.trim().split("\n"), ["done"]);
  },
);
