/**
 * Attacks on the broker's mounts: its child creates a mount namespace that the container's user namespace
 * owns. Root of the container enters it while the child is stopped, and tries to read the host's files.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attack } from "./support/attacker.ts";
import { attackTest } from "./support/attack_test.ts";
import { Broker, expectService } from "./support/broker.ts";
import { askMaps, maps } from "./support/policy.ts";
import { withFolder } from "./support/sandbox.ts";

const honestUid = 50_000 + Deno.pid % 10_000;
const attackers = {
  "a container that root made": 0,
  "a container of an ordinary user": 40_000 + Deno.pid % 10_000,
};

for (const [who, uid] of Object.entries(attackers)) {
  attackTest("broker", `${who} does not see the broker's mounts through its child`, async () => {
    const rules = [
      { name: "attacker", who: { owner: [uid] }, delegate: maps },
      { name: "honest", who: { owner: [honestUid] }, delegate: maps },
    ];
    await using broker = await Broker.start({ rules, limits: { requestsPerMinute: 100_000 } });
    await withFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/marker`, "outside");
      const facts = await attack("mounts", [broker.socket, uid, askMaps, 6, folder]);
      const seen = JSON.stringify(facts);
      assert(Number(facts["rounds"]) > 100, `the attacker made too few attempts: ${seen}`);
      assert(Number(facts["stopped"]) > 0, `the attacker never stopped the child: ${seen}`);
      assertEquals(facts["read"], "0", `the attacker read a file of the broker's mounts: ${seen}`);
      await expectService(broker, { uid: honestUid, request: askMaps }, "after the attack");
    });
  });
}
