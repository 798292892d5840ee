/**
 * Compares the plans of small programs with the kernel: each loads with CAP_PERFMON, and without it only those
 * whose plan does not name it as needed or possibly needed.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { type BpfCapability, Delegation, withToken } from "../../token/mod.ts";
import { verifierHint } from "../../token/explain/mod.ts";
import { Errno } from "../../uapi/errno.ts";
import { PERFMON_PROGRAMS } from "../support/perfmon_programs.ts";
import { testWith } from "../support/needs.ts";

type Answers = { readonly [name: string]: string };

async function answers(...capabilities: BpfCapability[]): Promise<Answers> {
  return await withToken<Answers>({
    delegation: Delegation.any,
    capabilities,
    module: import.meta.resolve("./perfmon_programs.ts"),
    function: "load",
  });
}

testWith("tokens", "the kernel refuses without CAP_PERFMON what the plan says", async () => {
  const all = await answers("bpf", "net_admin", "perfmon");
  const refused = PERFMON_PROGRAMS.filter(({ name }) => all[name] !== "loads");
  assertEquals(refused.map(({ name }) => `${name}: ${all[name]}`), []);
  const without = await answers("bpf", "net_admin");
  const wrong = PERFMON_PROGRAMS.filter(({ name, verdict }) =>
    (without[name] === "loads") !== (verdict === "not needed")
  );
  assertEquals(wrong.map(({ name }) => `${name}: ${without[name]}`), []);
  // Each log must be explained, except an uninitialized register, which can have other causes.
  const unexplained = PERFMON_PROGRAMS.filter(({ name }) => {
    const log = without[name] ?? "";
    if (log === "loads" || log.includes("!read_ok")) return false;
    const hint = verifierHint(-Errno.EACCES, log, ["bpf", "net_admin"]);
    return hint?.reason !== "verifier-needs-perfmon";
  });
  assertEquals(unexplained.map(({ name }) => `${name}: ${without[name]}`), []);
});
