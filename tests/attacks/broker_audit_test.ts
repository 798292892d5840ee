/**
 * Attacks on the audit log: it is flooded, its pipe is closed, or its reader stops reading.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attack } from "./support/attacker.ts";
import { attackTest } from "./support/attack_test.ts";
import { askHonestly, Broker, expectService } from "./support/broker.ts";
import { askMaps, maps } from "./support/policy.ts";
import { sleep, until } from "./support/under_test.ts";

const strangerUid = 40_000 + Deno.pid % 10_000;
const honestUid = 50_000 + Deno.pid % 10_000;
const ownerUid = 60_000 + Deno.pid % 4000;
const honest = { uid: honestUid, request: askMaps, seconds: 4 };
const rules = [
  { name: "owner", who: { owner: [ownerUid] }, delegate: maps },
  { name: "honest", who: { owner: [honestUid] }, delegate: maps },
];

for (const where of ["outside", "inside"]) {
  attackTest(
    "broker",
    `refusals cannot flood the audit log (${where} a user namespace): they are summarized`,
    async () => {
      const seconds = 4;
      await using broker = await Broker.start({ rules });
      const args = [broker.socket, strangerUid, askMaps, seconds, where];
      const facts = await attack("flood", args);
      const seen = JSON.stringify(facts);
      assert(Number(facts["asked"]) > 50, `the attacker sent too few requests: ${seen}`);
      assertEquals(facts["granted"], "0");
      await expectService(broker, honest, "after the flood");
      await until(() => broker.granted === 1, 2);
      assertEquals(broker.granted, 1, "the grant after the flood is not in the audit");
      assert(broker.audit.some(({ event }) => event === "refused"), "no refusal is in the audit");
      // A few dozen lines. Without the summary it was 300 KB per second.
      assert(broker.auditBytes < 40_000, `${broker.auditBytes} bytes of audit: ${seen}`);
    },
  );
}

attackTest(
  "broker",
  "a broker with a closed audit log grants nothing and keeps running",
  async () => {
    await using broker = await Broker.start({ rules });
    await expectService(broker, honest, "before");
    await broker.breakAudit();
    for (let count = 0; count < 4; count++) {
      const { token, answer } = await askHonestly(broker, honest);
      assertEquals(token, "no", `a token was issued without an audit record: ${answer}`);
    }
    await sleep(200);
    assert(broker.alive, `the broker ended: ${broker.errors}`);
    assert(await broker.end(5), "the broker did not end on SIGTERM");
  },
);

attackTest(
  "broker",
  "a broker whose audit log is not read issues no unrecorded token",
  async () => {
    await using broker = await Broker.start({ rules, limits: { requestsPerMinute: 100_000 } });
    broker.pauseAudit();
    const args = [broker.socket, ownerUid, askMaps, 6, "inside"];
    const given = Number((await attack("flood", args))["granted"]);
    assert(given > 0, "nothing was given at all");
    broker.resumeAudit();
    await until(() => broker.granted >= given, 3);
    assert(broker.granted >= given, `${given} tokens were given, ${broker.granted} are recorded`);
    await expectService(broker, honest, "with the audit read again");
    assert(await broker.end(5), "the broker did not end on SIGTERM");
  },
);

attackTest("broker", "a broker whose audit log is not read still ends on SIGTERM", async () => {
  await using broker = await Broker.start({ rules, limits: { requestsPerMinute: 100_000 } });
  broker.pauseAudit();
  // One audit line for each would exceed the 64 KiB that a pipe holds.
  const args = [broker.socket, ownerUid, askMaps, 5, "inside"];
  const { granted } = await attack("flood", args);
  assert(Number(granted) > 0, "nothing was given at all");
  assert(await broker.end(5), `the broker did not end on SIGTERM after ${granted} grants`);
});
