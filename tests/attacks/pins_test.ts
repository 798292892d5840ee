// Maps that an object pins by name are files directly in pinRoot: a name that contains a path must not open
// or create pins of other applications.

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
