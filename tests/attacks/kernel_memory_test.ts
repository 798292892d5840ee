/**
 * Reads of kernel memory by a process that may load programs: some are refused, the others are documented.
 *
 * On newer kernels `bpf_rdonly_cast(address, void)` requires only CAP_BPF, so only a delegation without
 * `prog_load` prevents it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attack, Attacker, type Facts } from "./support/attacker.ts";
import { attackTest } from "./support/attack_test.ts";
import { Broker } from "./support/broker.ts";
import { kernelMemory, ways } from "./support/kernel_memory.ts";
import { askMaps, maps } from "./support/policy.ts";
import { copyAttackers, sandbox, withFolder } from "./support/sandbox.ts";
import { run, runSkep, tree } from "./support/under_test.ts";

const filters = [
  ...["--delegate-cmds", "map_create:prog_load", "--delegate-maps", "hash"],
  ...["--delegate-progs", "socket_filter", "--delegate-attachs", "cgroup_inet_ingress"],
];
/** An object with a socket filter, whose plan requires CAP_BPF only. */
const planned = ["--for", new URL("../fixtures/kinds.bpf.o", import.meta.url).pathname];
const onlyMaps = ["--delegate-cmds", "map_create", "--delegate-maps", "hash"];

/** Returns the ways by which memory was read. */
function read(facts: Facts): string[] {
  return ways.filter((way) => facts[way]?.startsWith("read"));
}

/** Tries all ways in the sandbox. */
async function inSandbox(options: readonly string[]): Promise<Facts> {
  let facts: Facts = {};
  await withFolder(async (folder) => {
    await copyAttackers(folder);
    const script = ["perl", "-I", folder, `${folder}/read.pl`];
    const command = [...script, ...kernelMemory().args, "bpffs"];
    const { code, stdout, stderr } = await run(sandbox(command, options));
    assertEquals(code, 0, stderr);
    facts = Object.fromEntries(stdout.trim().split("\n").map((line) => line.split(/=(.*)/s)));
    for (const way of ways) assert(facts[way] !== undefined, `${way} was not tried: ${stdout}`);
  });
  return facts;
}

/** Ways that work for root on this kernel. Without this control, a refused attack would prove nothing. */
async function byRoot(): Promise<Facts> {
  await using attacker = new Attacker("read", [...kernelMemory().args, "none"]);
  const facts = await attacker.ended();
  assert(facts["helper"]?.startsWith("read"), JSON.stringify(facts));
  return facts;
}

attackTest(
  "tokens",
  "in a sandbox without prog_load nothing reads the kernel's memory",
  async () => {
    const control = await byRoot();
    assert(read(control).includes("pointer"), JSON.stringify(control));
    const facts = await inSandbox(onlyMaps);
    const seen = JSON.stringify(facts);
    assertEquals([facts["token"], facts["map"]], ["ok", "ok"], seen);
    assertEquals(read(facts), [], seen);
    assertEquals(facts["plain"], "EPERM", seen);
  },
);

attackTest(
  "broker",
  "with a broker's token without prog_load nothing reads the kernel's memory",
  async () => {
    const uid = 40_000 + Deno.pid % 10_000;
    await using broker = await Broker.start({
      rules: [{ name: "maps", who: { owner: [uid] }, delegate: maps }],
    });
    const args = [...kernelMemory().args, "broker", broker.socket, uid, askMaps];
    const facts = await attack("read", args);
    const seen = JSON.stringify(facts);
    assertEquals([facts["token"], facts["map"], facts["plain"]], ["ok", "ok", "EPERM"], seen);
    assertEquals(read(facts), [], seen);
  },
);

attackTest(
  "tokens",
  "in a sandbox whose plan has no CAP_PERFMON, only a cast to void reads the kernel's memory",
  async () => {
    const control = await byRoot();
    const facts = await inSandbox(planned);
    const seen = JSON.stringify(facts);
    // The delegated operations work.
    assertEquals([facts["token"], facts["plain"]], ["ok", "read 7"], seen);
    assertEquals(read(facts).filter((way) => way !== "void"), [], seen);
    // A kernel that refuses the cast to void for root refuses it here too.
    if (!control["void"]?.startsWith("read")) assertEquals(read(facts), [], seen);
  },
);

attackTest(
  "tokens",
  "plan, sandbox and documentation state that prog_load can read the kernel's memory",
  async () => {
    const told = /\breads?\b[^.\n]*\bmemory\b|\bmemory\b[^.\n]*\bread\b/i;
    const object = `${tree}/examples/xdp_count/xdp_count.bpf.o`;
    const wrong: string[] = [];
    const plan = await runSkep(["plan", object]);
    if (!told.test(plan.stdout)) wrong.push(`skep plan: ${plan.stdout}`);
    const json = await runSkep(["plan", "--format", "json", object]);
    if (!told.test(json.stdout)) wrong.push("skep plan --format json");
    // An earlier field claimed that such an object does not reach beyond its network namespace.
    if (/"(own-sockets|network-namespace)"/.test(json.stdout)) wrong.push("a ladder of reach");
    const verbose = await run(sandbox(["true"], ["--verbose", ...filters]));
    assertEquals(verbose.code, 0, verbose.stderr);
    if (!told.test(verbose.stderr)) wrong.push(`skep sandbox --verbose: ${verbose.stderr}`);
    for (const page of ["docs/delegation.md", "examples/broker/README.md"]) {
      const text = (await Deno.readTextFile(`${tree}/${page}`)).replaceAll(/\s+/g, " ");
      if (!told.test(text) || !text.includes("prog_load")) wrong.push(page);
    }
    // A delegation without prog_load has no such warning.
    const without = await run(sandbox(["true"], ["--verbose", ...onlyMaps]));
    if (told.test(without.stderr)) wrong.push(`of maps alone: ${without.stderr}`);
    assertEquals(wrong, []);
  },
);
