/**
 * Tests the broker with well-behaved and hostile clients in user namespaces.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { ObjectSpec } from "../../object/mod.ts";
import {
  decide,
  Delegation,
  type DelegationWords,
  parsePolicy,
  plan,
  serveBroker,
  TRUST,
  withToken,
  type WithTokenOptions,
} from "../../token/mod.ts";
import type { JsonValue } from "../../errors/skep_error.ts";
import { testWith } from "../support/needs.ts";

/** A broker that runs for the duration of a test. */
interface Running {
  readonly socket: string;
  readonly policy: string;
  readonly audit: { readonly [key: string]: JsonValue }[];
}

async function withBroker(policy: unknown, use: (broker: Running) => Promise<void>): Promise<void> {
  // The poller opens its descriptors here, before they are counted.
  await linuxKernel().poller.wait(0, { timeout: 0 }).catch(() => {});
  const before = descriptors();
  const directory = await Deno.makeTempDir({ prefix: "skep-" });
  await Deno.chmod(directory, 0o755);
  const running: Running = {
    socket: `${directory}/broker.sock`,
    policy: `${directory}/policy.json`,
    audit: [],
  };
  await Deno.writeTextFile(running.policy, JSON.stringify(policy));
  const end = new AbortController();
  const ready = Promise.withResolvers<void>();
  const serving = serveBroker({
    socket: running.socket,
    policy: running.policy,
    audit: (line) => {
      running.audit.push(JSON.parse(line));
    },
    signal: end.signal,
    onReady: ready.resolve,
  });
  try {
    await Promise.race([ready.promise, serving]);
    await use(running);
  } finally {
    end.abort();
    await serving;
    await Deno.remove(directory, { recursive: true });
  }
  assertEquals(descriptors(), before, "descriptors are left open");
}

function descriptors(): number {
  // The count includes the descriptor of the directory that is being read.
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** Uid that the rules name; root owns the sandbox's namespaces. */
const USER = 61_234;

type Client = Omit<WithTokenOptions, "delegation" | "module">;

async function client<T = { [key: string]: JsonValue }>(options: Client): Promise<T> {
  return await withToken<T>({
    delegation: Delegation.none,
    module: new URL("broker_client.ts", import.meta.url),
    user: USER,
    ...options,
  });
}

const words: DelegationWords = { commands: ["map_create"], maps: ["hash"] };

const policy = {
  version: 2,
  rules: [{ name: "maps", who: { owner: [0], uid: [USER] }, delegate: words }],
  limits: { requestsPerMinute: 1000, timeout: 1 },
};

const xdp = {
  commands: ["prog_load", "map_create"],
  maps: ["hash"],
  programs: ["xdp"],
  attachments: ["xdp"],
};

function ask(
  socket: string,
  need?: unknown,
  more: Partial<Client> = {},
): Promise<{ [key: string]: JsonValue }> {
  return client({
    function: "ask",
    arguments: need === undefined ? [socket] : [socket, need as JsonValue],
    ...more,
  });
}

testWith("tokens", "a broker gives what the policy gives, and the token works", async () => {
  await withBroker(policy, async ({ socket, audit }) => {
    const { allows, map } = await ask(socket, words as JsonValue);
    assertEquals(allows, "delegate_cmds=map_create,delegate_maps=hash");
    assertEquals(map, true);
    const granted = audit.find(({ event }) => event === "granted");
    assertEquals([granted?.["rule"], granted?.["uid"], granted?.["label"]], [
      "maps",
      USER,
      "test",
    ]);
  });
});

testWith(
  "tokens",
  "a broker gives all of a rule to who asks for nothing in particular",
  async () => {
    await withBroker(policy, async ({ socket }) => {
      assertEquals(
        (await ask(socket))["allows"],
        "delegate_cmds=map_create,delegate_maps=hash",
      );
    });
  },
);

testWith("tokens", "a broker leaves alone what stands at its path and is no socket", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skep-" });
  try {
    const [socket, policyFile] = [`${directory}/precious`, `${directory}/policy.json`];
    await Deno.writeTextFile(socket, "kept");
    await Deno.writeTextFile(policyFile, JSON.stringify(policy));
    await assertRejects(
      () => serveBroker({ socket, policy: policyFile, audit: () => {} }),
      Error,
      "the path exists and is no socket",
    );
    assertEquals(await Deno.readTextFile(socket), "kept");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

testWith("tokens", "a broker needs no more of a client than CAP_BPF", async () => {
  await withBroker(policy, async ({ socket }) => {
    assertEquals((await ask(socket, words as JsonValue, { capabilities: ["bpf"] }))["map"], true);
  });
});

testWith("tokens", "a broker refuses words that no rule gives", async () => {
  await withBroker(policy, async ({ socket }) => {
    const { refused } = await ask(socket, { commands: ["map_create"], maps: ["array"] });
    assertStringIncludes(`${refused}`, "delegate_maps=array");
  });
});

testWith("tokens", "a broker refuses peers that no rule names", async () => {
  await withBroker(policy, async ({ socket }) => {
    const { refused } = await ask(socket, undefined, { user: 12345 });
    assertEquals(refused, "the broker refused: no rule matches this peer");
  });
});

testWith("tokens", "a broker refuses a network namespace that the peer does not own", async () => {
  const rules = [{ name: "net", who: { uid: [USER] }, delegate: xdp, trustsHolderTo: TRUST }];
  await withBroker({ version: 2, rules }, async ({ socket }) => {
    assertStringIncludes(
      `${(await ask(socket, xdp, { network: "keep" }))["refused"]}`,
      "does not own its network namespace",
    );
    assertEquals((await ask(socket, xdp))["map"], true);
  });
});

testWith("tokens", "a broker refuses a user namespace within a user namespace", async () => {
  // The user owns the inner namespace.
  const rules = [{ name: "maps", who: { uid: [USER] }, delegate: words }];
  await withBroker({ ...policy, rules }, async ({ socket }) => {
    const answer = await client({ function: "nested", arguments: [socket] });
    // Without unshare(1) no nested namespace can be created.
    if (answer["missing"] === true) return;
    assertStringIncludes(`${answer["refused"]}`, "is nested");
  });
});

testWith("tokens", "a broker refuses who is in the initial user namespace", async () => {
  await withBroker(policy, async ({ socket, audit }) => {
    // The client blocks its thread and the broker runs on this one, so the client is a process.
    const code = `import { ask } from ${
      JSON.stringify(new URL("broker_client.ts", import.meta.url).href)
    };
      console.log(JSON.stringify(ask(${JSON.stringify(socket)})));`;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", code],
      stderr: "inherit",
    }).output();
    assertStringIncludes(new TextDecoder().decode(stdout), "initial user namespace");
    assert(audit.some(({ event }) => event === "refused"));
  });
});

testWith("tokens", "a broker survives every message, and none gets a token by it", async () => {
  await withBroker(policy, async ({ socket }) => {
    const answers = await client<{ [name: string]: { text: string; descriptors: number } }>({
      function: "hostile",
      arguments: [socket],
      // CAP_SYS_ADMIN is for fsopen(), whose context it sends.
      capabilities: ["bpf", "sys_admin"],
    });
    for (const [name, { text, descriptors }] of Object.entries(answers)) {
      if (name === "as long as allowed") {
        assertEquals(descriptors, 1, text);
        continue;
      }
      assertEquals(descriptors, 0, `${name}: ${text}`);
      assertStringIncludes(text, "refused", name);
      assert(!text.includes("\\u001b"), name);
    }
    assertEquals((await ask(socket, words as JsonValue))["map"], true);
  });
});

testWith(
  "tokens",
  "a broker survives clients that vanish and thousands of connections",
  async () => {
    await withBroker(policy, async ({ socket }) => {
      await client({ function: "vanish", arguments: [socket, 3000] });
      await client({ function: "execAway", arguments: [socket] }).catch(() => {});
      // The held connections send nothing; wait until their request times out.
      await new Promise((resolve) => setTimeout(resolve, 1200));
      assertEquals((await ask(socket, words as JsonValue))["map"], true);
    });
  },
);

testWith("tokens", "a broker turns away who asks too often", async () => {
  const limits = { ...policy.limits, requestsPerMinute: 2 };
  await withBroker({ ...policy, limits }, async ({ socket }) => {
    const answers = await client<{ [name: string]: { text: string; descriptors: number } }>({
      function: "hostile",
      arguments: [socket],
    });
    const texts = Object.values(answers).map(({ text }) => text);
    assert(texts.length > 10);
    for (const text of texts.slice(2)) assertStringIncludes(text, "too many requests");
    // A namespace that root owns has a separate account.
    assertEquals((await ask(socket))["refused"], undefined);
  });
});

testWith(
  "tokens",
  "a broker reads its policy again on SIGHUP, and keeps it when it cannot",
  async () => {
    await withBroker(policy, async ({ socket, policy: path, audit }) => {
      const noted = async (event: string): Promise<void> => {
        Deno.kill(Deno.pid, "SIGHUP");
        for (
          let tries = 0;
          tries < 100 && !audit.some((line) => line["event"] === event);
          tries++
        ) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        assert(audit.some((line) => line["event"] === event), event);
      };
      await Deno.writeTextFile(path, "{ broken");
      await noted("policy not read");
      assertEquals((await ask(socket))["map"], true);
      await Deno.writeTextFile(path, `{ "version": 2, "rules": [], } // nobody`);
      await noted("policy read");
      assertStringIncludes(`${(await ask(socket))["refused"]}`, "no rule");
    });
  },
);

Deno.test("the example policy can be read, and gives what it says to whom it says", async () => {
  const url = new URL("../../examples/broker/policy.jsonc", import.meta.url);
  const given = await parsePolicy(await Deno.readTextFile(url), url.pathname, (path) => {
    const bytes = Deno.readFileSync(new URL(path, url));
    return plan(ObjectSpec.parse(bytes, { name: path })).delegation;
  });
  const facts = {
    pid: 1,
    uid: 1000,
    cgroup: "/user.slice",
    owner: 1000,
    userNamespace: 1n,
    initial: false,
    nested: false,
    ownsNetwork: true,
  };
  const decision = decide(given, facts, undefined);
  assert(decision.granted);
  assertEquals(decision.delegation.names("programs"), ["xdp"]);
  assertEquals(decide(given, { ...facts, owner: 1001 }, undefined).granted, false);
  const service = { ...facts, owner: 0, cgroup: "/system.slice/execsnoop.service" };
  const host = decide(given, service, undefined);
  assert(host.granted);
  assertEquals(host.rule.name, "execsnoop.service");
  assertEquals(host.rule.holder.reads.memory, "host");
});

testWith("tokens", "auto asks the broker at its usual place", async () => {
  const place = "/run/skep";
  assert(
    linuxKernel().stat(`${place}/broker.sock`).result < 0,
    "a broker of this machine is there",
  );
  await withBroker(policy, async ({ socket }) => {
    // The directory may exist: sandboxes keep their locks in it.
    Deno.mkdirSync(place, { recursive: true, mode: 0o755 });
    try {
      Deno.symlinkSync(socket, `${place}/broker.sock`);
      const how = await client<string>({ function: "auto", arguments: [] });
      assertStringIncludes(how, "the broker at /run/skep/broker.sock");
    } finally {
      Deno.removeSync(`${place}/broker.sock`);
    }
  });
});
