/**
 * A command whose output exceeds the maximum string length must not end the caller.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attackTest } from "./support/attack_test.ts";
import { copyAttackers, sandbox, shellText, withFolder } from "./support/sandbox.ts";
import { attack } from "./support/attacker.ts";
import { run, tree } from "./support/under_test.ts";

/** Runs a sandbox with piped output and prints the outcome as one line of JSON. */
const caller = `
  const { runInSandbox, Delegation, SkepError } =
    await import(${JSON.stringify(`file://${tree}/mod.ts`)});
  const run = (script) => runInSandbox({
    delegation: Delegation.of({ commands: ["map_create"], maps: ["hash"] }),
    command: ["sh", "-c", script],
    output: "piped",
    input: "null",
  });
  const longest = (value, depth) => typeof value === "string"
    ? value.length
    : typeof value === "object" && value !== null && depth < 4
    ? Math.max(0, ...Reflect.ownKeys(value).map((key) => longest(value[key], depth + 1)))
    : 0;
  const facts = {};
  try {
    const { stdout } = await run(Deno.args[0]);
    facts.length = stdout.length;
  } catch (error) {
    facts.typed = error instanceof SkepError;
    facts.message = error.message;
    facts.kept = longest(error, 0);
    facts.intact = error.message.length < 2000;
  }
  facts.after = (await run("echo still here")).stdout.trim();
  facts.peak = Number(/VmHWM:\\s*(\\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))[1]) * 1024;
  console.log(JSON.stringify(facts));
`;

async function call(script: string): Promise<{ readonly [name: string]: unknown }> {
  let facts: { readonly [name: string]: unknown } = {};
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/caller.ts`, caller);
    const { code, stdout, stderr } = await run(
      [Deno.execPath(), "run", "-A", "--no-config", `${folder}/caller.ts`, script],
      { seconds: 19 },
    );
    assertEquals(code, 0, `the caller was ended: ${stderr}`);
    facts = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  });
  return facts;
}

const writers = {
  "its output": "head -c 600000000 /dev/zero",
  "its error output": "head -c 600000000 /dev/zero >&2",
};

for (const [which, script] of Object.entries(writers)) {
  attackTest(
    "tokens",
    `600 MB in ${which} end in a typed error with the output received so far`,
    async () => {
      const facts = await call(script);
      const seen = JSON.stringify(facts);
      assertEquals([facts["typed"], facts["intact"]], [true, true], seen);
      assert(
        Number(facts["kept"]) > 1000,
        `the error does not hold the output received so far: ${seen}`,
      );
      assert(Number(facts["peak"]) < 2e9, `it took ${facts["peak"]} bytes of memory`);
      assertEquals(facts["after"], "still here");
    },
  );
}

attackTest("tokens", "a megabyte of output is returned unchanged", async () => {
  const facts = await call("head -c 1000000 /dev/zero");
  assertEquals([facts["length"], facts["after"]], [1_000_000, "still here"]);
});

/** Runs `use` with a command that passes its output descriptor to a process outside, which keeps it for 17 seconds. */
async function withKeeper(use: (command: readonly string[]) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    await copyAttackers(folder);
    const socket = `${folder}/socket`;
    const keeper = new Deno.Command("perl", {
      args: [`-I${folder}`, `${folder}/keep.pl`, socket, "17"],
      stdout: "piped",
    }).spawn();
    const give = `use Attack; wait_for(5, sub { -S $ARGV[0] }); my $s = connect_to($ARGV[0]);
      print "given\n" if send_fd($s, 1) >= 0;`;
    await use(["perl", `-I${folder}`, "-e", give, socket]);
    keeper.kill("SIGKILL");
    const { stdout } = await keeper.output();
    assert(
      new TextDecoder().decode(stdout).includes("kept=yes"),
      "the process outside received no descriptor",
    );
  });
}

attackTest(
  "tokens",
  "a process that keeps the command's output open does not block the caller",
  async () => {
    await withKeeper(async (command) => {
      const before = performance.now();
      const facts = await call(shellText(command));
      assertEquals([facts["length"], facts["after"]], [6, "still here"]);
      assert(performance.now() - before < 12_000, "the caller waited for a process outside");
    });
  },
);

attackTest(
  "tokens",
  "a process that keeps the command's terminal open does not block the caller",
  async () => {
    await withKeeper(async (command) => {
      const facts = await attack("terminal", [12, shellText(sandbox(command))]);
      assertEquals(facts["ended"], "yes", facts["screen"] ?? "");
    });
  },
);
