/**
 * Freeze and bleed: whoever a broker serves may send signals to the child that enters its namespace.
 *
 * A broker that waits for a stopped child serves nobody; one that loses track of a killed child keeps
 * what that child has opened.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Attacker, type Facts } from "./support/attacker.ts";
import { attackTest } from "./support/attack_test.ts";
import { Broker, expectService } from "./support/broker.ts";
import { askMaps, maps } from "./support/policy.ts";

const SECONDS = 5;
/** Users that no other process has, so that a signal that goes astray finds nobody. */
const attackerUid = 40_000 + Deno.pid % 10_000;
const honestUid = 50_000 + Deno.pid % 10_000;

const ways = {
  stop:
    "stops the broker's child in its namespace: the others are served, the broker ends when told",
  kill: "kills the broker's child in its namespace: nothing of it stays open",
  limit: "takes the broker's child its descriptors: only its own requests fail",
  slow: "gives the broker's child the least time: the others are served",
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
    // One whose child is stopped waits for its answer.
    assert(Number(facts["requests"]) > 3, `the attacker hardly asked: ${seen}`);
    assert(Number(facts["tried"]) > 1000, `the attacker hardly tried: ${seen}`);
    assert(broker.alive, `the broker ended: ${broker.errors}`);
    await expectService(broker, honest, `after the attack (${seen})`);
    assertEquals(await broker.descriptorsOver(before), 0, `descriptors are left open: ${seen}`);
    assert(await broker.end(5), `the broker did not end when told: ${seen}`);
  });
}
