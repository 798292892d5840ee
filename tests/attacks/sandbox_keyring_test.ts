/**
 * The caller's session keyring, whose possession is enough to read what is in it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { attackTest } from "./support/attack_test.ts";
import { attack } from "./support/attacker.ts";
import { copyAttackers, sandbox, withFolder } from "./support/sandbox.ts";

/** Whether the kernel has keyrings. */
function keyrings(): string | undefined {
  try {
    Deno.readTextFileSync("/proc/keys");
    return undefined;
  } catch {
    return "needs CONFIG_KEYS";
  }
}

attackTest(
  "tokens",
  "a command cannot read the caller's session keyring, nor add to it",
  async () => {
    await withFolder(async (folder) => {
      await copyAttackers(folder);
      const command = ["perl", "-I", folder, `${folder}/keyring.pl`, "inside"];
      const facts = await attack("keyring", ["outside", ...sandbox(command)]);
      // Without the sandbox the same command reads it: the attack is one.
      assertEquals(facts["control"], "found: honey");
      assertEquals(facts["inside"], "not found");
      assertEquals(facts["added"], "not found", "what was added inside is in the caller's keyring");
      assertEquals(facts["kept"], "found: honey", "the caller's keyring is no longer what it was");
    });
  },
  keyrings,
);
