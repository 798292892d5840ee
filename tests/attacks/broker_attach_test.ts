/**
 * A token that leaves its namespace: by a thread, by a process whose leader is gone, over a socket.
 *
 * A token with `prog_load` is trust in its holder: nothing at the time of the grant keeps it inside. So
 * a rule has to say so, and what can be seen at the time of the grant is looked at.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Attacker, type Facts } from "./support/attacker.ts";
import { attackTest } from "./support/attack_test.ts";
import { Broker, expectService } from "./support/broker.ts";
import { askMaps, type Rule, trustWords } from "./support/policy.ts";
import { until } from "./support/under_test.ts";

const uid = 40_000 + Deno.pid % 10_000;
const honestUid = 50_000 + Deno.pid % 10_000;
const words = {
  commands: ["map_create", "prog_load"],
  maps: ["hash"],
  programs: ["xdp", "cgroup_sock_addr"],
  attachments: ["xdp", "cgroup_inet4_connect"],
};
const masks = {
  commands: "0x21",
  maps: "0x2",
  programs: `0x${(1 << 6 | 1 << 18).toString(16)}`,
  attachments: `0x${(1n << 37n | 1n << 10n).toString(16)}`,
};
const askPrograms = JSON.stringify({ version: 1, need: masks });
const maps = { commands: ["map_create"], maps: ["hash"] };

/** In a network namespace of the test's own, which belongs to the initial user namespace. */
async function leak(
  broker: Broker,
  request: string,
  mode: string,
  cgroup?: string,
): Promise<Facts> {
  const args = [broker.socket, uid, request, mode, ...cgroup === undefined ? [] : [cgroup]];
  await using attacker = new Attacker("leak", args, ["unshare", "--net"]);
  const facts = await attacker.ended(15);
  assertEquals(facts["before"], "works", "the test's network does not work");
  return facts;
}

/** A cgroup of the test's own, that belongs to root; undefined where there is no cgroup2. */
async function withCgroup(use: (path: string) => Promise<void>): Promise<void> {
  const mount = /^\S+ (\S+) cgroup2 /m.exec(await Deno.readTextFile("/proc/mounts"))?.[1];
  assert(mount !== undefined);
  const path = `${mount}/skep-attack-${Deno.pid}`;
  await Deno.mkdir(path);
  try {
    await use(path);
  } finally {
    // It is empty a moment after its last process.
    await until(() => Deno.remove(path).then(() => true, () => false), 3);
  }
}

/** A broker by a rule that gives programs and does not trust; undefined when the policy is refused, as it should be. */
async function untrusting(): Promise<Broker | undefined> {
  const rules: Rule[] = [{ name: "uid", who: { owner: [uid] }, delegate: words, trusted: false }];
  try {
    return await Broker.start({ rules });
  } catch (error) {
    assert(error instanceof Error);
    assertStringIncludes(error.message, "prog_load", "the refusal does not say what is the matter");
    const [key, word] = Object.entries(trustWords())[0] ?? [];
    assert(key !== undefined, "the schema has no words that trust a holder");
    assertStringIncludes(error.message, key, "the refusal does not say what to add");
    if (typeof word === "string") assertStringIncludes(error.message, word);
    return undefined;
  }
}

attackTest(
  "broker",
  "without words of trust nobody outside drops packets by a token of XDP",
  async () => {
    await using broker = await untrusting();
    if (broker === undefined) return;
    const facts = await leak(broker, askPrograms, "sent");
    assertEquals(facts["network"], "works", `root's loopback was cut: ${JSON.stringify(facts)}`);
    assert(facts["program"] !== "ok", "a process outside has loaded a program");
  },
);

const noCgroup = (): string | undefined =>
  / cgroup2 /.test(Deno.readTextFileSync("/proc/mounts")) ? undefined : "needs a mounted cgroup2";

attackTest(
  "broker",
  "without words of trust nobody outside cuts off a cgroup of root's",
  async () => {
    await using broker = await untrusting();
    if (broker === undefined) return;
    await withCgroup(async (path) => {
      const facts = await leak(broker, askPrograms, "sent", path);
      assertEquals(facts["connect"], "ok", `root was cut off: ${JSON.stringify(facts)}`);
    });
  },
  noCgroup,
);

attackTest(
  "broker",
  "a token without prog_load that has left its namespace attaches nothing",
  async () => {
    const rules = [
      { name: "maps", who: { owner: [uid] }, delegate: maps },
      { name: "honest", who: { owner: [honestUid] }, delegate: maps },
    ];
    await using broker = await Broker.start({ rules });
    const facts = await leak(broker, askMaps, "sent");
    const seen = JSON.stringify(facts);
    assertEquals(facts["token"], "yes", seen);
    // It did leave: that is told, not prevented.
    assertEquals(facts["outside"], "has the token", seen);
    assertEquals([facts["program"], facts["network"]], ["EPERM", "works"], seen);
    await expectService(broker, { uid: honestUid, request: askMaps }, "after it");
  },
);

attackTest("broker", "a rule that trusts serves who is in a network of its own", async () => {
  const rules = [{ name: "trusted", who: { owner: [uid] }, delegate: words }];
  await using broker = await Broker.start({ rules });
  const facts = await leak(broker, askPrograms, "clean");
  const seen = JSON.stringify(facts);
  assertEquals([facts["token"], facts["program"], facts["map"]], ["yes", "ok", "ok"], seen);
});

const strays = {
  process: "another process of the namespace",
  thread: "a second thread",
  dead: "a thread of a process whose leader has exited",
};

for (const [mode, who] of Object.entries(strays)) {
  attackTest("broker", `a grant is refused while ${who} is in a network outside`, async () => {
    const rules = [{ name: "trusted", who: { owner: [uid] }, delegate: words }];
    await using broker = await Broker.start({ rules });
    const facts = await leak(broker, askPrograms, mode);
    const seen = JSON.stringify(facts);
    assertEquals(facts["token"], "no", `it was granted: ${seen}`);
    assertStringIncludes(facts["answer"] ?? "", "network", seen);
    // The same holder without the stray is served: the refusal was for that.
    assertEquals((await leak(broker, askPrograms, "clean"))["token"], "yes");
  });
}

attackTest(
  "broker",
  "without /proc a broker does not take it that all networks are the peer's",
  async () => {
    const rules = [{ name: "trusted", who: { owner: [uid] }, delegate: words, nested: true }];
    const wrapper = ["unshare", "--mount", "--propagation", "private"];
    await using broker = await Broker.start({ rules, wrapper });
    assertEquals((await leak(broker, askPrograms, "clean"))["token"], "yes");
    const { success } = await new Deno.Command("nsenter", {
      args: [`--target=${broker.pid}`, "--mount", "mount", "-t", "tmpfs", "none", "/proc"],
    }).output();
    assert(success, "its /proc could not be covered");
    const facts = await leak(broker, askPrograms, "process");
    assertEquals(facts["token"], "no", `it was granted: ${JSON.stringify(facts)}`);
  },
);
