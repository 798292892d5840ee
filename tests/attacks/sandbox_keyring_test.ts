/**
 * The caller's session keyring: a process that possesses it can read its keys.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { attackTest } from "./support/attack_test.ts";
import { attack } from "./support/attacker.ts";
import { copyAttackers, sandbox, withFolder } from "./support/sandbox.ts";

/** Reason to skip when the kernel has no keyrings. */
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
  "a command can neither read the caller's session keyring nor add keys to it",
  async () => {
    await withFolder(async (folder) => {
      await copyAttackers(folder);
      const command = ["perl", "-I", folder, `${folder}/keyring.pl`, "inside"];
      const facts = await attack("keyring", ["outside", ...sandbox(command)]);
      // Control: without the sandbox the same command reads the key.
      assertEquals(facts["control"], "found: honey");
      assertEquals(facts["inside"], "not found");
      assertEquals(facts["added"], "not found", "a key added inside is in the caller's keyring");
      assertEquals(facts["kept"], "found: honey", "the caller's keyring changed");
    });
  },
  keyrings,
);
