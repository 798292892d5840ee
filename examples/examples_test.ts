// Runs every example on the real kernel as its header describes, and checks that nothing is left.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openObject, verifyFiles } from "@skep/skep";
import { inNetworkNamespace } from "../tests/support/hooks.ts";
import { kernelTest, reasonToSkip } from "../tests/support/kernel.ts";
import { demo } from "./demo.ts";
import * as tour from "./tour.ts";

const root = new URL("../", import.meta.url);

/** Runs an example with the permissions that its header lists. */
async function runExample(
  args: readonly string[],
  options: { readonly milliseconds?: number | undefined } = {},
): Promise<{ readonly code: number; readonly out: string; readonly error: string }> {
  const described: Deno.CommandOptions = {
    args: ["run", "--no-prompt", ...args],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  };
  const { milliseconds } = options;
  if (milliseconds !== undefined) described.signal = AbortSignal.timeout(milliseconds);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), described).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

/** Repeats an action while an example runs. */
async function meanwhile<T>(work: Promise<T>, act: () => Promise<unknown>): Promise<T> {
  let over = false;
  const done = work.finally(() => over = true);
  done.catch(() => {});
  while (!over) {
    await act();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return await work;
}

const startProgram = (): Promise<unknown> => new Deno.Command("true").output();
const needed = ["--allow-ffi", "--allow-read"];

kernelTest("the objects load as every compiler makes them", async () => {
  const names = ["execsnoop", "hello", "tcp_connections", "xdp_count"];
  const files = ["clang14", "clang22"].flatMap((compiler) =>
    names.map((name) =>
      decodeURIComponent(new URL(`tests/fixtures/${compiler}/${name}.bpf.o`, root).pathname)
    )
  );
  let loaded = 0;
  for await (const { object, load, programs } of verifyFiles(files, { token: false })) {
    assertEquals(load, { ok: true }, object);
    assertEquals(programs.filter(({ ok }) => !ok), [], object);
    loaded++;
  }
  assertEquals(loaded, 8);
});

kernelTest("hello counts programs that start", async () => {
  const running = runExample([...needed, "examples/hello/main.ts"]);
  const { code, out, error } = await meanwhile(running, startProgram);
  assertEquals(code, 0, error);
  const [, count = "0"] = /^5 s: (\d+) programs started$/m.exec(out) ?? [];
  assert(Number(count) > 5, out);
});

kernelTest(
  "execsnoop shows programs that start, with --allow-ffi and --allow-read alone",
  async () => {
    const file = "examples/execsnoop/main.ts";
    const running = runExample([...needed, file, "--count", "3", "--seconds", "20"]);
    const { code, out, error } = await meanwhile(running, startProgram);
    assertEquals(code, 0, error);
    assert(/^ +\d+ +\d+ +\d+ +true +\/\S*true$/m.test(out), out);
    assert(/^3 events, 0 dropped, /m.test(out), out);
  },
);

kernelTest("execsnoop --uid shows nothing of other users", async () => {
  const file = "examples/execsnoop/main.ts";
  const running = runExample([...needed, file, "--uid", "4242", "--seconds", "1"]);
  const { out } = await meanwhile(running, startProgram);
  assert(/^0 events/m.test(out), out);
});

kernelTest("tcp_connections reads addresses and ports of a connection", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const { port } = listener.addr;
    const file = "examples/tcp_connections/main.ts";
    const running = runExample([...needed, file, "--count", "4", "--seconds", "20"]);
    const { code, out, error } = await meanwhile(running, async () => {
      const [accepted, connection] = await Promise.all([
        listener.accept(),
        Deno.connect({ hostname: "127.0.0.1", port }),
      ]);
      connection.close();
      accepted.close();
    });
    assertEquals(code, 0, error);
    assertStringIncludes(out, `127.0.0.1:${port}`);
    assertStringIncludes(out, "CLOSE → SYN_SENT");
  } finally {
    listener.close();
  }
});

kernelTest(
  "xdp_count counts the packets that it sends itself, in a sandbox",
  { needs: { root: true, feature: ["ability", "token"] } },
  async () => {
    const { code, out, error } = await runExample(["-A", "examples/xdp_count/main.ts"]);
    assertEquals(code, 0, error);
    assert(/^IPv4 +100 +10600 /m.test(out), out);
  },
);

kernelTest("the README's ten lines print events", async () => {
  const running = runExample([...needed, "examples/ten_lines.ts"], { milliseconds: 2500 });
  const { out } = await meanwhile(running, startProgram);
  assert(/filename: "\/\S*true"/.test(out), out);
});

kernelTest(
  "the demo loads with a token as an unprivileged user, within 15 seconds",
  { needs: { root: true, feature: ["ability", "token"] } },
  async () => {
    const started = performance.now();
    const { code, out, error } = await runExample(["-A", "examples/demo.ts"]);
    assertEquals(code, 0, error);
    assert(performance.now() - started < 15_000, "it took too long");
    for (
      const part of [
        "[1] opening",
        "delegate_maps=array:ringbuf",
        "as uid 65534",
        "token found: /sys/fs/bpf",
        "attached to tp_btf/sched_process_exec",
        "    PID    PARENT     UID  COMMAND",
      ]
    ) assertStringIncludes(out, part);
    assert(/^\d+ events, \d+ dropped, with the token's delegate_cmds=/m.test(out), out);
  },
);

kernelTest("the demo loads as root, and says why, where tokens can't be had", {
  needs: { root: true },
}, async () => {
  const said: string[] = [];
  const { log } = console;
  console.log = (...parts: unknown[]): void => void said.push(parts.join(" "));
  try {
    assertEquals(await demo({ withoutToken: "a test asked for this" }), 0);
  } finally {
    console.log = log;
  }
  const out = said.join("\n");
  assertStringIncludes(out, "no token can be used: a test asked for this. Loading as root instead");
  assert(/^\d+ events, \d+ dropped, without a token$/m.test(out), out);
});

Deno.test("the tour's steps that need no kernel do what they say", async () => {
  const spec = await tour.editSpec();
  assertEquals(spec.variables.get("target_uid").get(), 1000);
  assertEquals(spec.maps.get("events").maxEntries, 1 << 20);
  assertEquals((await tour.parseBytes()).programs.names(), ["count"]);
  assertStringIncludes(await tour.planIt(), "delegate_progs=tracing");
  const probes = await openObject(new URL("../tests/fixtures/delegated.bpf.o", import.meta.url));
  for (const program of probes.programs) program.autoload = true;
  const lines = tour.planAttachments(probes);
  assert(lines.some((line) => line.endsWith("is attached as kprobe.multi/__x64_sys_getpgid")));
  assertEquals(probes.programs.get("reads_call").autoload, false);
  assertEquals(probes.programs.get("counts_calls").autoload, true);
  assertStringIncludes(await tour.printTypes(), "struct event {");
  assertStringIncludes(await tour.handleErrors("nowhere.bpf.o"), "nowhere.bpf.o");
});

kernelTest("the tour's steps with a kernel do what they say", async () => {
  assert(/^[0-9a-f]{16}$/.test(await tour.loadIt()));
  assertEquals(await tour.runIt(), 1n);
  assertEquals(await tour.useMap(), 3);
  assertEquals(await tour.useVariable(), 0n);
  const ending = new AbortController();
  const reading = tour.readEvents(ending.signal);
  for (let i = 0; i < 10; i++) await startProgram();
  ending.abort();
  assert(await reading >= 0);
  assertEquals(typeof await tour.findTokens(), "number");
});

kernelTest("the tour's steps attach where they say", { needs: { root: true } }, async () => {
  await inNetworkNamespace(async () => {
    assertEquals(await tour.attachTo("lo"), "xdp");
    assertEquals(await tour.attachByKind("lo"), "lo");
  });
});

kernelTest("the tour's sandbox gives back the command's exit status", {
  needs: { root: true, feature: ["ability", "token"] },
}, async () => {
  assertEquals(await tour.sandboxIt(["sh", "-c", "exit 7"]), 7);
});

const ordinary = reasonToSkip() !== undefined;
Deno.test({
  name: `without privileges the demo relocates, plans, and names the command for the rest${
    ordinary ? "" : " [skipped: this user is privileged]"
  }`,
  ignore: !ordinary,
  fn: async () => {
    const { code, out, error } = await runExample(["-A", "examples/demo.ts"]);
    assertEquals(code, 0, error);
    assertStringIncludes(out, "delegate_progs=tracing");
    assertStringIncludes(out, "struct task_struct.real_parent");
    assert(/^ +sudo .* task demo$/m.test(out), out);
  },
});
