/**
 * Attacks on the broker's child by ptrace(2): root of a user namespace, created by root or by the broker's
 * user, searches for the child that enters this namespace.
 *
 * A traced child can be made to open any file that its uid may open outside the namespace.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attack } from "./support/attacker.ts";
import { Broker, expectService } from "./support/broker.ts";
import { askMaps, maps } from "./support/policy.ts";
import { readText } from "./support/under_test.ts";
import { attackTest } from "./support/attack_test.ts";

/** Duration of the attempt. Against a vulnerable broker the attack succeeded within a second. */
const SECONDS = 6;
const limits = { requestsPerMinute: 100_000, connections: 1000 };

attackTest(
  "broker",
  "root of a container that root created can neither trace the broker's child nor write root's files through it",
  async () => {
    const rules = [
      { name: "containers of root", who: { owner: [0] }, delegate: maps },
      { name: "an ordinary user", who: { owner: [4000] }, delegate: maps },
    ];
    await using broker = await Broker.start({ rules, limits });
    const secret = `${broker.folder}/secret`;
    await Deno.writeTextFile(secret, "root's\n", { mode: 0o600 });
    const facts = await attack("seize", [broker.socket, 0, askMaps, SECONDS, secret]);
    assertEquals(
      facts["seized"],
      "0",
      `a child of the broker was traced: ${JSON.stringify(facts)}`,
    );
    assertEquals(facts["listed"], "0", "a child's open descriptors were listed");
    assertEquals(await Deno.readTextFile(secret), "root's\n");
    assert(Number(facts["granted"]) > 0, `no request was granted: ${JSON.stringify(facts)}`);
    assert(Number(facts["tried"]) > 1000, "the attacker made too few attempts");
    await expectService(broker, { uid: 4000, request: askMaps }, "after the attack");
  },
);

attackTest(
  "broker",
  "root of a container that the broker's user created can neither trace the broker's child nor write files through it",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "skep-attack-" });
    try {
      // The broker chooses its uid when it starts.
      const uid = await uidOfBroker(folder);
      const rules = [{ name: "its own user", who: { owner: [uid] }, delegate: maps }];
      await using broker = await Broker.start({ rules, limits, folder });
      const secret = `${folder}/secret`;
      await Deno.writeTextFile(secret, "the broker's\n", { mode: 0o600 });
      await Deno.chown(secret, uid, uid);
      const facts = await attack("seize", [broker.socket, uid, askMaps, SECONDS, secret]);
      assertEquals(facts["seized"], "0", `a child was traced: ${JSON.stringify(facts)}`);
      assertEquals(await Deno.readTextFile(secret), "the broker's\n");
      assert(Number(facts["granted"]) > 0, `no request was granted: ${JSON.stringify(facts)}`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

async function uidOfBroker(folder: string): Promise<number> {
  const rules = [{ name: "nobody", who: { owner: [4001] }, delegate: maps }];
  await using broker = await Broker.start({ rules, folder });
  const status = readText(`/proc/${broker.pid}/status`) ?? "";
  return Number(/^Uid:\s*(\d+)/m.exec(status)?.[1] ?? "0");
}
