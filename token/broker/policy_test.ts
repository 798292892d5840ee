import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { Delegation } from "../../plan/delegation.ts";
import { decide, parsePolicy, type PeerFacts, type Policy, reachOf } from "./policy.ts";

const none = (): Delegation => Delegation.none;

function policy(json: unknown): Policy {
  return parsePolicy(JSON.stringify(json), "policy.json", none);
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
  const given = policy({ version: 1, rules: [rule] });
  assertEquals(why(given, peer, Delegation.of(maps)), "granted");
  assertEquals(why(given, peer), "granted");
  assertStringIncludes(why(given, peer, Delegation.of({ maps: ["array"] })), "delegate_maps=array");
  assertStringIncludes(why(given, peer, Delegation.any), "it does not give");
  assertEquals(why(given, peer, Delegation.none), "nothing was asked for");
});

Deno.test("a policy without rules gives nothing", () => {
  assertEquals(why(policy({ version: 1, rules: [] }), peer), "no rule is for this peer");
});

Deno.test("every condition of a rule has to hold", () => {
  const who = { owner: [1000], uid: [1000], cgroup: "/system.slice/*" };
  const given = policy({ version: 1, rules: [{ ...rule, who }] });
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
      "no rule is for this peer",
      JSON.stringify(other),
    );
  }
});

Deno.test("the first rule that gives it is taken, a later one may give more", () => {
  const more = { name: "more", who: { uid: [1000] }, delegate: { ...maps, maps: "any" } };
  const given = policy({ version: 1, rules: [rule, more] });
  const decision = decide(given, peer, Delegation.of({ maps: ["array"] }));
  assert(decision.granted);
  assertEquals(decision.rule.name, "more");
  const first = decide(given, peer, Delegation.of(maps));
  assert(first.granted);
  assertEquals(first.rule.name, "r");
});

Deno.test("nobody in the initial user namespace gets one", () => {
  assertStringIncludes(
    why(policy({ version: 1, rules: [rule] }), { ...peer, initial: true }),
    "initial user namespace",
  );
});

Deno.test("nested namespaces and foreign networks take a word in the rule", () => {
  const xdp = {
    name: "x",
    who: { uid: [1000] },
    delegate: { commands: ["prog_load"], programs: ["xdp"], attachments: ["xdp"] },
    reach: "network-namespace",
  };
  const plain = policy({ version: 1, rules: [xdp] });
  const open = policy({ version: 1, rules: [{ ...xdp, nested: true, hostNetwork: true }] });
  const far = { ...peer, nested: true, ownsNetwork: false };
  assertStringIncludes(why(plain, far), "within another");
  assertStringIncludes(why(plain, { ...far, nested: false }), "does not own the network");
  assertEquals(why(open, far), "granted");
  // What does not act on a network is given in any.
  assertEquals(
    why(policy({ version: 1, rules: [rule] }), { ...peer, ownsNetwork: false }),
    "granted",
  );
  // A wider reach does not hide that a network is acted on as well.
  const both = {
    ...xdp,
    delegate: { programs: ["xdp", "kprobe"], attachments: "any" },
    reach: "host",
  };
  assertStringIncludes(
    why(policy({ version: 1, rules: [both] }), { ...peer, ownsNetwork: false }),
    "does not own the network",
  );
});

Deno.test("a rule gives no program type of a wider reach than it names", () => {
  const tracing = {
    name: "t",
    who: { uid: [1000] },
    delegate: { programs: ["tracing"], attachments: ["trace_raw_tp"] },
  };
  assertStringIncludes(why(policy({ version: 1, rules: [tracing] }), peer), "reach host");
  const network = policy({ version: 1, rules: [{ ...tracing, reach: "network-namespace" }] });
  assertStringIncludes(why(network, peer), "reach host");
  assertEquals(
    why(policy({ version: 1, rules: [{ ...tracing, reach: "host" }] }), peer),
    "granted",
  );
});

Deno.test("reachOf takes an unknown program type for the whole machine", () => {
  assertEquals(reachOf(new Delegation({ programs: 1n << 63n })), "host");
  assertEquals(reachOf(Delegation.any), "host");
  assertEquals(
    reachOf(Delegation.of({ programs: ["lsm"], attachments: ["lsm_cgroup"] })),
    "cgroup",
  );
  assertEquals(reachOf(Delegation.of({ programs: ["lsm"], attachments: ["lsm_mac"] })), "host");
  assertEquals(reachOf(Delegation.none), "own-sockets");
});

Deno.test("a policy may have comments and names objects", () => {
  const text = `{
    // who
    "version": 1, /* rules */
    "rules": [ { "name": "a // b", "who": { "uid": [1], }, "objects": ["x.bpf.o"], }, ],
  }`;
  const asked: string[] = [];
  const given = parsePolicy(text, "p", (path) => {
    asked.push(path);
    return Delegation.of(maps);
  });
  assertEquals(asked, ["x.bpf.o"]);
  assertEquals(given.rules[0]?.name, "a // b");
  assert(given.rules[0]?.delegation.equals(Delegation.of(maps)));
});

const wrong: readonly (readonly [unknown, string])[] = [
  [[], "has to be an object"],
  [{ rules: [] }, "version has to be 1"],
  [{ version: 1 }, "rules has to be a list"],
  [{ version: 1, rules: [], rule: [] }, 'has no "rule"'],
  [{ version: 1, rules: [{}] }, "rules[0].name"],
  [{ version: 1, rules: [{ name: "a" }] }, "rules[0].who"],
  [{ version: 1, rules: [{ name: "a", who: {} }] }, "has to name an owner"],
  [{ version: 1, rules: [{ name: "a", who: { uids: [1] } }] }, 'has no "uids"'],
  [{ version: 1, rules: [{ name: "a", who: { uid: ["root"] } }] }, "list of uids"],
  [{ version: 1, rules: [{ name: "a", who: { uid: [-1] } }] }, "list of uids"],
  [{ version: 1, rules: [{ name: "a", who: { cgroup: "x" } }] }, "begins with /"],
  [{ version: 1, rules: [{ name: "a", who: { uid: [1] } }] }, "gives nothing"],
  [{ version: 1, rules: [{ ...rule, delegate: { progs: ["xdp"] } }] }, 'has no "progs"'],
  [{ version: 1, rules: [{ ...rule, delegate: { programs: ["xpd"] } }] }, '"xpd"'],
  [{ version: 1, rules: [{ ...rule, reach: "galaxy" }] }, "rules[0].reach"],
  [{ version: 1, rules: [{ ...rule, nested: "yes" }] }, "true or false"],
  [{ version: 1, rules: [], limits: { timeout: 0 } }, "limits.timeout"],
];

for (const [json, says] of wrong) {
  Deno.test(`a policy is refused where it says ${JSON.stringify(json)}`, () => {
    const error = assertThrows(() => policy(json), SkepError);
    assertStringIncludes(error.message, says);
    assertStringIncludes(error.message, "policy.json");
  });
}

Deno.test("a policy that is not JSON is refused with its place", () => {
  const error = assertThrows(() => parsePolicy("{ nope", "p.json", none), SkepError);
  assertStringIncludes(error.message, "read policy p.json");
});
