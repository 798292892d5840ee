/**
 * Starvation: one user exhausts the connections or the request budget of a broker.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attack, Attacker } from "./support/attacker.ts";
import { attackTest } from "./support/attack_test.ts";
import { askHonestly, Broker, expectService } from "./support/broker.ts";
import { askMaps, maps } from "./support/policy.ts";

const strangerUid = 40_000 + Deno.pid % 10_000;
const honestUid = 50_000 + Deno.pid % 10_000;
const ownerUid = 60_000 + Deno.pid % 4000;

const honest = { uid: honestUid, request: askMaps, seconds: 4 };
const rules = [
  { name: "owner", who: { owner: [ownerUid] }, delegate: maps },
  { name: "honest", who: { owner: [honestUid] }, delegate: maps },
];

/** Sends honest requests one after another; returns the failures. */
async function unserved(broker: Broker, requests: number): Promise<string[]> {
  const failures: string[] = [];
  for (let count = 0; count < requests; count++) {
    const { token, answer = "" } = await askHonestly(broker, honest);
    if (token !== "yes") failures.push(answer);
  }
  return failures;
}

const holders: { readonly [who: string]: readonly [uid: number, where: string] } = {
  "a user that no rule names": [strangerUid, "outside"],
  "the owner of a namespace that no rule names": [strangerUid, "inside"],
  "an owner that a rule names": [ownerUid, "inside"],
};

for (const [who, [uid, where]] of Object.entries(holders)) {
  attackTest("broker", `${who} cannot hold all connections of a broker`, async () => {
    await using broker = await Broker.start({ rules });
    await expectService(broker, honest, "before the attack");
    await using attacker = new Attacker("hold", [broker.socket, uid, 300, 12, where]);
    await attacker.said("holding", 5);
    const failures = await unserved(broker, 10);
    assertEquals(failures, [], `while ${who} holds ${attacker.facts["holding"]} connections`);
    assert(broker.alive, broker.errors);
  });
}

attackTest(
  "broker",
  "an owner does not exceed the limit per minute by many uids",
  async () => {
    const limits = { requestsPerMinute: 5 };
    await using broker = await Broker.start({ rules, limits });
    const facts = await attack("subordinate", [broker.socket, ownerUid, 60, askMaps]);
    const seen = JSON.stringify(facts);
    const granted = Number(facts["granted"]);
    assert(granted > 0, `it did not get one: ${seen}`);
    // At most one more request becomes available during the test.
    assert(
      granted <= limits.requestsPerMinute + 1,
      `60 uids of one owner got more than 5: ${seen}`,
    );
    await expectService(broker, honest, "after the attack");
  },
);

attackTest(
  "broker",
  "an owner does not exceed the limit per minute by many namespaces",
  async () => {
    const limits = { requestsPerMinute: 5 };
    await using broker = await Broker.start({ rules, limits });
    let granted = 0;
    for (let count = 0; count < 15; count++) {
      const { token } = await askHonestly(broker, { uid: ownerUid, request: askMaps });
      if (token === "yes") granted++;
    }
    assert(granted > 0 && granted <= limits.requestsPerMinute + 1, `it got ${granted}`);
    await expectService(broker, honest, "after the attack");
  },
);
