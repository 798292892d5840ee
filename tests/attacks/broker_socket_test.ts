/**
 * The broker's socket and descriptors: a successor's socket is kept, and descriptors run out.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attackTest } from "./support/attack_test.ts";
import { askHonestly, Broker, expectService } from "./support/broker.ts";
import { askMaps, maps } from "./support/policy.ts";

const honestUid = 50_000 + Deno.pid % 10_000;
const honest = { uid: honestUid, request: askMaps, seconds: 1 };
const rules = [{ name: "honest", who: { owner: [honestUid] }, delegate: maps }];
const limits = { requestsPerMinute: 1000 };

attackTest("broker", "a broker that ends does not remove its successor's socket", async () => {
  const folder = await Deno.makeTempDir({ prefix: "skep-attack-" });
  try {
    await using first = await Broker.start({ rules, limits, folder });
    // Rename the socket, as an administrator does to replace the broker.
    await Deno.rename(first.socket, `${first.socket}.old`);
    await using second = await Broker.start({ rules, limits, folder });
    await expectService(second, honest, "before the first ends");
    assert(await first.end(5), "the first did not end");
    assert((await Deno.stat(second.socket)).isSocket, "the socket is gone");
    await expectService(second, honest, "after the first has ended");
    assert(await second.end(5), "the second did not end");
    // The broker removes the socket that it created.
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assert(!left.includes("broker.sock"), `the broker's socket remains: ${left}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function limitDescriptors(pids: readonly number[], limit: string): Promise<void> {
  for (const pid of pids) {
    // Runs as the broker's uid: prlimit(2) of another uid's process requires CAP_SYS_RESOURCE, which root
    // may lack in a container.
    const [, uid, gid] = /^Uid:\s*(\d+)[^]*^Gid:\s*(\d+)/m.exec(
      await Deno.readTextFile(`/proc/${pid}/status`),
    ) ?? [];
    const { success, stderr } = await new Deno.Command("setpriv", {
      args: [
        ...[`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"],
        ...["prlimit", `--pid=${pid}`, `--nofile=${limit}`],
      ],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  }
}

attackTest("broker", "a broker without free descriptors reports it and leaks none", async () => {
  await using broker = await Broker.start({ rules, limits });
  await expectService(broker, honest, "before");
  const before = broker.descriptors().length;
  const numbers = [...Deno.readDirSync(`/proc/${broker.pid}/fd`)].map(({ name }) => Number(name));
  const used = new Set(numbers);
  let first = 0;
  while (used.has(first)) first++;
  const answers: string[] = [];
  // With 0, 1, 2 ... free descriptors, each step of a request fails once.
  for (let left = 0; left < 12; left++) {
    await limitDescriptors(broker.pids(), `${first + left}:4096`);
    const { token, answer = "" } = await askHonestly(broker, honest);
    answers.push(token === "yes" ? "granted" : answer);
  }
  await limitDescriptors(broker.pids(), "4096:4096");
  assert(broker.alive, `the broker ended: ${broker.errors}`);
  const failed = answers.filter((answer) => answer !== "granted");
  assert(failed.length > 1, `none was missing: ${answers}`);
  assert(answers.includes("granted"), `twelve free descriptors are too few: ${answers.join("\n")}`);
  for (const answer of failed) {
    assert(!/older|6\.\d+/.test(answer), `the lack of descriptors is reported as: ${answer}`);
  }
  const told = failed.filter((answer) => answer.startsWith("{"));
  assert(told.length > 0, `no client received a refusal: ${answers.join("\n")}`);
  for (const answer of told) {
    assert(
      /EMFILE|descriptor|could not do it|busy/.test(answer),
      `the lack of descriptors is reported as: ${answer}`,
    );
  }
  await expectService(broker, honest, "after it");
  assertEquals(await broker.descriptorsOver(before), 0, "descriptors are left open");
});
