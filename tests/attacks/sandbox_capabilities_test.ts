/**
 * Capabilities in the sandbox: those of the plan, and no way to gain others.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Facts } from "./support/attacker.ts";
import { attackTest } from "./support/attack_test.ts";
import { copyAttackers, sandbox, withFolder } from "./support/sandbox.ts";
import { run, runSkep, skep, tree } from "./support/under_test.ts";

/** Capability numbers from linux/capability.h. */
const watched = { sys_admin: 21n, perfmon: 38n };
const sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/** Objects with the capabilities of their plans, and a delegation that needs none of the watched capabilities. */
const given: { readonly [what: string]: readonly string[] } = {
  "maps alone": ["--delegate-cmds", "map_create", "--delegate-maps", "hash"],
  "xdp_count.bpf.o": ["--for", `${tree}/examples/xdp_count/xdp_count.bpf.o`],
  "execsnoop.bpf.o": ["--for", `${tree}/examples/execsnoop/execsnoop.bpf.o`],
};

for (const [what, options] of Object.entries(given)) {
  attackTest(
    "tokens",
    `the sandbox for ${what} has no capability outside its plan`,
    async () => {
      const [, object] = options[0] === "--for" ? options : [];
      let planned: readonly string[] = ["bpf"];
      if (object !== undefined) {
        const { stdout } = await runSkep(["plan", "--format", "json", object]);
        planned = JSON.parse(stdout).capabilities;
      }
      await withFolder(async (folder) => {
        await copyAttackers(folder);
        const command = ["perl", "-I", folder, `${folder}/capabilities.pl`];
        const { code, stdout, stderr } = await run(sandbox(command, options));
        assertEquals(code, 0, stderr);
        const facts: Facts = Object.fromEntries(
          stdout.trim().split("\n").map((line) => line.split(/=(.*)/s)),
        );
        const mask = (text: string): bigint => BigInt(`0x${text}`);
        const wrong: string[] = [];
        for (const [name, number] of Object.entries(watched)) {
          if (planned.includes(name)) continue;
          for (const set of sets) {
            if ((mask(facts[set] ?? "") >> number & 1n) === 1n) wrong.push(`${set} has ${name}`);
          }
          if ((mask(facts["again"] ?? "") >> number & 1n) === 1n) {
            wrong.push(`execve gives ${name}`);
          }
          for (const traced of (facts["traced"] ?? "").split(" ").filter((text) => text !== "")) {
            const permitted = mask(traced.split(":")[1] ?? "");
            if ((permitted >> number & 1n) === 1n) wrong.push(`${traced} can be traced`);
          }
        }
        assertEquals(wrong, [], stdout);
        assertEquals(facts["NoNewPrivs"], "1", stdout);
        assert(facts["back"] !== "ok", "it returned from a nested namespace");
        // The planned capabilities are present.
        assert((mask(facts["CapEff"] ?? "") >> 39n & 1n) === 1n, `CAP_BPF is missing: ${stdout}`);
      });
    },
  );
}

for (const name of ["xdp_count", "execsnoop", "tcp_connections", "hello"]) {
  attackTest(
    "tokens",
    `${name}.bpf.o loads with the capabilities of its plan`,
    async () => {
      const object = `${tree}/examples/${name}/${name}.bpf.o`;
      const { code, stdout, stderr } = await run(
        sandbox([...skep, "verify", object], ["--for", object]),
      );
      assertEquals(code, 0, stdout + stderr);
    },
  );
}
