/**
 * Checks that the capabilities of a plan are sufficient and nearly minimal: every object loads with exactly
 * those that are planned or may be needed, and few plans name CAP_PERFMON for an object that loads without it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { BPF_CAPABILITIES, type BpfCapability } from "../../token/mod.ts";
import { testWith } from "../support/needs.ts";
import { CapabilityWorkers } from "./capability_worker.ts";
import { corpus, examples, fixtures, programsAlone, type Way, ways } from "./corpus.ts";

/** How often a capability was planned, and how often the object did not load without it. */
interface Count {
  named: number;
  needed: number;
  /** Objects whose plan names it, and that load without it. */
  readonly idle: string[];
}

/** Results over all objects. */
interface Tally {
  loaded: number;
  /** Number of objects that are refused with every capability in the sandbox. */
  beyond: number;
  /** Objects that load with all capabilities, but not with those planned or possibly needed. */
  readonly refused: string[];
  /** Counts for the capabilities that plans name as needed. */
  readonly planned: { readonly [name in BpfCapability]: Count };
  /** Counts for the capabilities that plans name as possibly needed. */
  readonly maybe: Count;
}

function count(): Count {
  return { named: 0, needed: 0, idle: [] };
}

function tally(): Tally {
  const planned = { bpf: count(), net_admin: count(), perfmon: count(), sys_admin: count() };
  return { loaded: 0, beyond: 0, refused: [], planned, maybe: count() };
}

async function prove(
  workers: CapabilityWorkers,
  path: string,
  { name, need, ...way }: Way,
  found: Tally,
): Promise<void> {
  if (need.delegation.empty) return;
  if (!(await workers.load(path, BPF_CAPABILITIES, way)).ok) {
    found.beyond++;
    return;
  }
  found.loaded++;
  const maybe = need.maybe.map(({ capability }) => capability);
  const all = [...need.capabilities, ...maybe];
  const answer = await workers.load(path, all, way);
  if (!answer.ok) {
    found.refused.push(`${name} with ${all}: ${answer.message}`);
    return;
  }
  for (const capability of maybe) {
    const others = all.filter((other) => other !== capability);
    note(found.maybe, name, (await workers.load(path, others, way)).ok);
  }
  for (const capability of need.capabilities) {
    // BPF_TOKEN_CREATE takes CAP_BPF; CAP_SYS_ADMIN includes the others.
    if (capability === "bpf" || need.capabilities.includes("sys_admin")) continue;
    const reasons = need.reasons.find(({ word }) => word === `CAP_${capability.toUpperCase()}`);
    if (reasons?.because.every((because) => because.endsWith(", to attach it"))) continue;
    const others = all.filter((other) => other !== capability);
    note(found.planned[capability], name, (await workers.load(path, others, way)).ok);
  }
}

function note(found: Count, name: string, loads: boolean): void {
  found.named++;
  if (loads) found.idle.push(name);
  else found.needed++;
}

function check(what: string, found: Tally): void {
  const { loaded, beyond, refused, planned, maybe } = found;
  const lines = [
    `${what}: ${loaded} loaded, ${beyond} not even with all, ${refused.length} refused`,
  ];
  for (const [name, { named, needed }] of Object.entries({ ...planned, maybe })) {
    if (named > 0) lines.push(`${name}: needed by ${needed} of ${named}`);
  }
  console.log(lines.join("; "));
  for (const name of maybe.idle) console.log(`  not needed, but maybe: ${name}`);
  assertEquals(refused, []);
  for (const [name, { named, idle }] of Object.entries(planned)) {
    assert(idle.length <= named / 10, `${name} is planned but not needed: ${idle.join("\n")}`);
  }
}

testWith(
  "tokens",
  "every example and fixture loads with exactly the capabilities that are planned",
  async () => {
    await using workers = new CapabilityWorkers();
    const found = tally();
    for (const path of [...await examples(), ...await fixtures()]) {
      const planned = await ways(path).catch(() => []);
      for (const way of planned) await prove(workers, path, way, found);
    }
    check("examples and fixtures", found);
    assert(found.loaded > 20, `only ${found.loaded} were loaded`);
  },
);

testWith(
  ["tokens", "whole corpus"],
  "every object of the corpus loads with exactly the capabilities that are planned",
  async () => {
    await using workers = new CapabilityWorkers();
    const found = tally();
    for (const path of await corpus()) {
      const planned = await ways(path).catch(() => []);
      for (const way of planned) await prove(workers, path, way, found);
    }
    check("corpus", found);
    assert(found.loaded > 300, `only ${found.loaded} were loaded`);
    assert(found.planned.perfmon.named > 200);
  },
);

testWith(
  ["tokens", "whole corpus"],
  "every program of the corpus loads alone with exactly the capabilities that are planned",
  async () => {
    await using workers = new CapabilityWorkers();
    const found = tally();
    for (const path of await corpus()) {
      const planned = await programsAlone(path).catch(() => []);
      for (const way of planned) await prove(workers, path, way, found);
    }
    check("programs of the corpus", found);
    assert(found.loaded > 1000, `only ${found.loaded} were loaded`);
  },
);
