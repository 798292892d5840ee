/**
 * Jump tables with a token (Linux 6.19): libbpf creates their maps without it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { JsonValue } from "../../errors/skep_error.ts";
import { openObject } from "../../loader/mod.ts";
import { Delegation, plan, withToken } from "../../token/mod.ts";
import { missingFeature } from "../support/kernel.ts";
import { testWith } from "../support/needs.ts";

const path = new URL("../fixtures/clang22_v4/jump_tables.bpf.o", import.meta.url).pathname;
const reason = missingFeature("map", "insn_array");
const name = "an object with jump tables loads with the planned words, and names the missing one";

async function load(delegation: Delegation): Promise<{ [name: string]: JsonValue }> {
  return await withToken({
    delegation,
    module: new URL("inside.ts", import.meta.url),
    function: "load",
    arguments: [path],
  });
}

async function body(): Promise<void> {
  const { delegation } = plan(await openObject(path));
  const loaded = await load(delegation);
  assertEquals([loaded["ok"], loaded["programs"]], [true, ["jump", "call"]]);
  const refused = await load(delegation.without(Delegation.of({ maps: ["insn_array"] })));
  assertEquals(refused["ok"], false);
  const { missing } = refused["data"] as { missing: string };
  assertEquals(missing, "delegate_maps=insn_array");
}

if (reason === undefined) testWith("tokens", name, body);
else Deno.test({ name: `${name} [skipped: ${reason}]`, ignore: true, fn: body });
