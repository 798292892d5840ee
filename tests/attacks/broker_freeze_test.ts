/**
 * Attacks on the broker's child: a client may signal the child that enters its user namespace.
 *
 * A broker that waits for a stopped child serves no other client. A broker that does not clean up after a
 * killed child leaks the descriptors that it received from it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Attacker, type Facts } from "./support/attacker.ts";
import { attackTest } from "./support/attack_test.ts";
import { Broker, expectService } from "./support/broker.ts";
import { askMaps, maps } from "./support/policy.ts";

const SECONDS = 5;
/** Uids without other processes, so that a misdirected signal reaches none. */
const attackerUid = 40_000 + Deno.pid % 10_000;
const honestUid = 50_000 + Deno.pid % 10_000;

const ways = {
  stop: "stops the broker's child: other clients are served, the broker ends on SIGTERM",
  kill: "kills the broker's child: no descriptor leaks",
  limit: "limits the descriptors of the broker's child: only its requests fail",
  slow: "lowers the priority of the broker's child: other clients are served",
};

for (const [how, what] of Object.entries(ways)) {
  attackTest("broker", `a client ${what}`, async () => {
    const rules = [
      { name: "attacker", who: { owner: [attackerUid] }, delegate: maps },
      { name: "honest", who: { owner: [honestUid] }, delegate: maps },
    ];
    const limits = { requestsPerMinute: 100_000 };
    await using broker = await Broker.start({ rules, limits });
    const honest = { uid: honestUid, request: askMaps, seconds: 4 };
    await expectService(broker, honest, "before the attack");
    const before = broker.descriptors().length;
    let facts: Facts;
    {
      const args = [broker.socket, attackerUid, askMaps, SECONDS, how];
      await using attacker = new Attacker("freeze", args);
      for (let count = 0; count < 3; count++) {
        await expectService(broker, honest, `while a client ${how}s the child (${count})`);
      }
      facts = await attacker.ended(SECONDS + 10);
    }
    const seen = JSON.stringify(facts);
    // A client that has stopped its child waits for its answer, so it sends few requests.
    assert(Number(facts["requests"]) > 3, `the attacker sent too few requests: ${seen}`);
    assert(Number(facts["tried"]) > 1000, `the attacker made too few attempts: ${seen}`);
    assert(broker.alive, `the broker ended: ${broker.errors}`);
    await expectService(broker, honest, `after the attack (${seen})`);
    assertEquals(await broker.descriptorsOver(before), 0, `descriptors are left open: ${seen}`);
    assert(await broker.end(5), `the broker did not end on SIGTERM: ${seen}`);
  });
}
