import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { Delegation } from "../../plan/delegation.ts";
import { decide, parsePolicy, type PeerFacts, type Policy, readPolicy, TRUST } from "./policy.ts";

const none = (): Delegation => Delegation.none;

function policy(json: unknown): Policy {
  return readPolicy(JSON.parse(JSON.stringify(json)), "policy.json", none);
}

const peer: PeerFacts = {
  pid: 10,
  uid: 1000,
  cgroup: "/system.slice/app.service",
  owner: 1000,
  userNamespace: 5n,
  initial: false,
  nested: false,
  ownsNetwork: true,
};

const maps = { commands: ["map_create"], maps: ["hash"] };
const rule = { name: "r", who: { owner: [1000] }, delegate: maps };

function why(policy: Policy, facts: PeerFacts, need?: Delegation): string {
  const decision = decide(policy, facts, need);
  return decision.granted ? "granted" : decision.why;
}

Deno.test("a policy gives what a rule gives, and only that", () => {
  const given = policy({ version: 2, rules: [rule] });
  assertEquals(why(given, peer, Delegation.of(maps)), "granted");
  assertEquals(why(given, peer), "granted");
  assertStringIncludes(why(given, peer, Delegation.of({ maps: ["array"] })), "delegate_maps=array");
  assertStringIncludes(why(given, peer, Delegation.any), "it does not grant");
  assertEquals(why(given, peer, Delegation.none), "the request is empty");
});

Deno.test("a policy without rules gives nothing", () => {
  assertEquals(why(policy({ version: 2, rules: [] }), peer), "no rule matches this peer");
});

Deno.test("every condition of a rule has to hold", () => {
  const who = { owner: [1000], uid: [1000], cgroup: "/system.slice/*" };
  const given = policy({ version: 2, rules: [{ ...rule, who }] });
  assertEquals(why(given, peer), "granted");
  for (
    const other of [
      { owner: 1 },
      { uid: 1 },
      { cgroup: "/user.slice" },
      { cgroup: "/system.slice" },
      { cgroup: "/system.slice/" },
      { cgroup: "/system.slice2/a" },
      { cgroup: undefined },
    ]
  ) {
    assertEquals(
      why(given, { ...peer, ...other }),
      "no rule matches this peer",
      JSON.stringify(other),
    );
  }
});

Deno.test("the first rule that gives it is taken, a later one may give more", () => {
  const more = { name: "more", who: { uid: [1000] }, delegate: { ...maps, maps: "any" } };
  const given = policy({ version: 2, rules: [rule, more] });
  const decision = decide(given, peer, Delegation.of({ maps: ["array"] }));
  assert(decision.granted);
  assertEquals(decision.rule.name, "more");
  const first = decide(given, peer, Delegation.of(maps));
  assert(first.granted);
  assertEquals(first.rule.name, "r");
});

Deno.test("nobody in the initial user namespace gets one", () => {
  assertStringIncludes(
    why(policy({ version: 2, rules: [rule] }), { ...peer, initial: true }),
    "initial user namespace",
  );
});

Deno.test("nested namespaces and foreign networks take a word in the rule", () => {
  const xdp = {
    name: "x",
    who: { uid: [1000] },
    delegate: { commands: ["prog_load"], programs: ["xdp"], attachments: ["xdp"] },
    trustsHolderTo: TRUST,
  };
  const plain = policy({ version: 2, rules: [xdp] });
  const open = policy({ version: 2, rules: [{ ...xdp, nested: true, hostNetwork: true }] });
  const far = { ...peer, nested: true, ownsNetwork: false };
  assertStringIncludes(why(plain, far), "is nested");
  assertStringIncludes(why(plain, { ...far, nested: false }), "does not own its network");
  assertEquals(why(open, far), "granted");
  // A delegation that does not act on a network is granted in any network namespace.
  assertEquals(
    why(policy({ version: 2, rules: [rule] }), { ...peer, ownsNetwork: false }),
    "granted",
  );
  // A network type among other types must still be found.
  const both = {
    ...xdp,
    delegate: { commands: ["prog_load"], programs: ["xdp", "kprobe"], attachments: "any" },
  };
  assertStringIncludes(
    why(policy({ version: 2, rules: [both] }), { ...peer, ownsNetwork: false }),
    "does not own its network",
  );
});

Deno.test("a rule that gives prog_load trusts its holder in so many words", () => {
  const load = { name: "t", who: { uid: [1000] }, delegate: { commands: ["prog_load"] } };
  const read = (more: object): string => {
    try {
      return why(policy({ version: 2, rules: [{ ...load, ...more }] }), peer);
    } catch (error) {
      return error instanceof SkepError ? error.message : String(error);
    }
  };
  for (const wrong of [{}, { trustsHolderTo: true }, { trustsHolderTo: "yes" }]) {
    assertStringIncludes(read(wrong), `add "trustsHolderTo": ${JSON.stringify(TRUST)}`);
  }
  assertEquals(read({ trustsHolderTo: TRUST }), "granted");
  // The command decides, whether it is given by name or by number.
  for (const commands of [["map_create", "PROG_LOAD"], "any"]) {
    assertStringIncludes(read({ delegate: { commands } }), "trustsHolderTo");
  }
  // `trustsHolderTo` where it is not needed is refused, so that it marks only rules that need it.
  const needless = { delegate: { commands: ["map_create"] }, trustsHolderTo: TRUST };
  assertStringIncludes(read(needless), "is not needed");
});

Deno.test("a policy of version 1 is refused with what to change", () => {
  const error = assertThrows(() => policy({ version: 1, rules: [rule] }), SkepError);
  for (const word of ['remove "reach"', '"trustsHolderTo"', '"version": 2']) {
    assertStringIncludes(error.message, word);
  }
});

Deno.test("a policy may have comments and names objects", async () => {
  const text = `{
    // who
    "version": 2, /* rules */
    "rules": [ { "name": "a // b", "who": { "uid": [1], }, "objects": ["x.bpf.o"], }, ],
  }`;
  const asked: string[] = [];
  const given = await parsePolicy(text, "p", (path) => {
    asked.push(path);
    return Delegation.of(maps);
  });
  assertEquals(asked, ["x.bpf.o"]);
  assertEquals(given.rules[0]?.name, "a // b");
  assert(given.rules[0]?.delegation.equals(Delegation.of(maps)));
});

const wrong: readonly (readonly [unknown, string])[] = [
  [[], "must be an object"],
  [{ rules: [] }, "version must be 2"],
  [{ version: 2 }, "rules must be a list"],
  [{ version: 2, rules: [], rule: [] }, 'has no "rule"'],
  [{ version: 2, rules: [{}] }, "rules[0].name"],
  [{ version: 2, rules: [{ name: "a" }] }, "rules[0].who"],
  [{ version: 2, rules: [{ name: "a", who: {} }] }, "must have an owner"],
  [{ version: 2, rules: [{ name: "a", who: { uids: [1] } }] }, 'has no "uids"'],
  [{ version: 2, rules: [{ name: "a", who: { uid: ["root"] } }] }, "list of uids"],
  [{ version: 2, rules: [{ name: "a", who: { uid: [-1] } }] }, "list of uids"],
  [{ version: 2, rules: [{ name: "a", who: { cgroup: "x" } }] }, "must be an absolute path"],
  [{ version: 2, rules: [{ name: "a", who: { uid: [1] } }] }, "grants nothing"],
  [{ version: 2, rules: [{ ...rule, delegate: { progs: ["xdp"] } }] }, 'has no "progs"'],
  [{ version: 2, rules: [{ ...rule, delegate: { programs: ["xpd"] } }] }, '"xpd"'],
  [{ version: 2, rules: [{ ...rule, reach: "host" }] }, 'has no "reach"'],
  [{ version: 2, rules: [{ ...rule, guard: {} }] }, "reserved"],
  [{ version: 2, rules: [{ ...rule, nested: "yes" }] }, "true or false"],
  [{ version: 2, rules: [], limits: { timeout: 0 } }, "limits.timeout"],
];

for (const [json, says] of wrong) {
  Deno.test(`a policy is refused where it says ${JSON.stringify(json)}`, () => {
    const error = assertThrows(() => policy(json), SkepError);
    assertStringIncludes(error.message, says);
    assertStringIncludes(error.message, "policy.json");
  });
}

Deno.test("a policy that is not JSON is refused with its place", async () => {
  const error = await assertRejects(() => parsePolicy("{ nope", "p.json", none), SkepError);
  assertStringIncludes(error.message, "read policy p.json");
});
