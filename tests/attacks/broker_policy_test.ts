/**
 * Policies that can be misread: an old version, a duplicate key, no `trustsHolderTo`.
 *
 * @module
 */

import { assert, assertStringIncludes } from "@std/assert";
import { attackTest } from "./support/attack_test.ts";
import { policyText, policyVersion, type Rule, trustWords } from "./support/policy.ts";
import { kill, readText, skep, tree } from "./support/under_test.ts";

/** Starts a broker with a policy: returns "started", or the error text. */
async function read(policy: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "skep-attack-" });
  try {
    await Deno.writeTextFile(`${folder}/policy.json`, policy);
    const [program = "", ...args] = [
      ...skep,
      ...["broker", "--socket", `${folder}/socket`, "--policy", `${folder}/policy.json`],
    ];
    const child = new Deno.Command(program, {
      args,
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const timer = setTimeout(() => kill(child.pid, "SIGKILL"), 15_000);
    let output = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      if (output.includes('"started"')) kill(child.pid, "SIGTERM");
    }
    const errors = await new Response(child.stderr).text();
    await child.status;
    clearTimeout(timer);
    return output.includes('"started"') ? "started" : errors;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const rule: Rule = {
  name: "maps",
  who: { owner: [4000] },
  delegate: { commands: ["map_create"], maps: ["hash"] },
};
const good = policyText([rule], { connections: 7 });

/** The valid policy with a key duplicated before its original place. */
const twice: { readonly [key: string]: readonly [place: string, extra: string] } = {
  version: ['"version"', `"version":${policyVersion()},`],
  rules: ['"rules"', '"rules":[],'],
  name: ['"name"', '"name":"harmless",'],
  who: ['"who"', '"who":{"owner":[1]},'],
  owner: ['"owner"', '"owner":[1],'],
  delegate: ['"delegate"', '"delegate":{"commands":["map_create"],"maps":["array"]},'],
  maps: ['"maps":', '"maps":["array"],'],
  limits: ['"limits"', '"limits":{},'],
  connections: ['"connections"', '"connections":1,'],
  "owner, written with an escape": ['"owner"', '"own\\u0065r":[1],'],
};

attackTest(
  "broker",
  "a policy with a duplicate key is refused, and the error names the key",
  async () => {
    assert(await read(good) === "started", await read(good));
    const wrong: string[] = [];
    const outcomes = await Promise.all(
      Object.entries(twice).map(async ([key, [place, extra]]) => {
        const text = good.replace(place, extra + place);
        assert(text !== good, key);
        return [key, await read(text)] as const;
      }),
    );
    for (const [key, outcome] of outcomes) {
      if (outcome === "started") wrong.push(`${key}: accepted`);
      else if (!outcome.includes(key.split(",")[0] ?? "")) wrong.push(`${key}: ${outcome}`);
    }
    assert(wrong.length === 0, wrong.join("\n"));
  },
);

attackTest(
  "broker",
  "a policy of version 1 is refused, and the error names the supported version",
  async () => {
    const text = good.replace(/"version":\d+/, '"version":1');
    const outcome = await read(text);
    assert(outcome !== "started", "it was accepted");
    assertStringIncludes(outcome, "version");
    assertStringIncludes(outcome, "2");
  },
);

/** Rules that grant prog_load: by name, by `any`, and by an object. */
const giving: { readonly [how: string]: unknown } = {
  "by name": {
    delegate: { commands: ["prog_load"], programs: ["xdp"], attachments: ["xdp"] },
  },
  "by any": { delegate: { commands: "any" } },
  "by a number": { delegate: { commands: ["0x20"] } },
  "by an object": { objects: [`${tree}/examples/xdp_count/xdp_count.bpf.o`] },
};

attackTest(
  "broker",
  "a rule that grants prog_load without trustsHolderTo is refused",
  async () => {
    const trust = Object.entries(trustWords())[0];
    const wrong: string[] = [];
    for (const [how, gives] of Object.entries(giving)) {
      const { delegate: _, ...bare } = JSON.parse(good).rules[0];
      const text = (more: unknown): string =>
        JSON.stringify({ ...JSON.parse(good), rules: [Object.assign({}, bare, gives, more)] });
      const outcome = await read(text({}));
      if (outcome === "started") wrong.push(`${how}: accepted without a word of trust`);
      else if (trust !== undefined && !outcome.includes(trust[0]) && how !== "by a number") {
        wrong.push(`${how}: not said what to add: ${outcome}`);
      }
      if (trust === undefined || how === "by a number") continue;
      const trusted = await read(text({ [trust[0]]: trust[1] }));
      if (trusted !== "started") wrong.push(`${how}, trusted: ${trusted}`);
      // A sentence that only resembles the required one.
      for (const word of [false, null, "", "yes", 1].filter((word) => word !== trust[1])) {
        if (await read(text({ [trust[0]]: word })) === "started") {
          wrong.push(`${how}: ${JSON.stringify(word)} was taken for trust`);
        }
      }
    }
    assert(wrong.length === 0, wrong.join("\n"));
  },
);

attackTest(
  "broker",
  "the example policy has trustsHolderTo and is refused without it",
  async () => {
    const text = (readText(`${tree}/examples/broker/policy.jsonc`) ?? "")
      .replaceAll('"../', `"${tree}/examples/`);
    const whole = await read(text);
    assert(whole === "started", whole);
    const trust = Object.entries(trustWords())[0];
    assert(trust !== undefined, "the schema has no key for trust in the holder");
    const lines = text.split("\n");
    const places = lines.flatMap((line, index) => line.includes(`"${trust[0]}"`) ? [index] : []);
    assert(places.length > 0, "no rule of the policy has the trust key");
    for (const place of places) {
      const without = lines.filter((_, index) => index !== place).join("\n");
      assert(await read(without) !== "started", `accepted without line ${place + 1}`);
    }
  },
);
