/**
 * Compares the tables of `plan/` with the kernel: which capability a program type, a map type and a helper
 * take, and for which program types the kernel checks the expected attach type.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { JsonValue } from "../../errors/skep_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import {
  AttachType,
  helperName,
  type MapTypeName,
  ProgramType,
  type ProgramTypeName,
} from "../../uapi/enums.ts";
import {
  type BpfCapability,
  Delegation,
  helperCapability,
  mapTypeCapabilities,
  programTypeFacts,
  withToken,
} from "../../token/mod.ts";
import { testWith } from "../support/needs.ts";

const kernel = linuxKernel();

interface Allowed {
  readonly programs: readonly ProgramTypeName[];
  readonly maps: readonly MapTypeName[];
}

async function inside<T>(
  name: string,
  capabilities: readonly BpfCapability[],
  args: readonly JsonValue[] = [],
): Promise<T> {
  return await withToken<T>({
    delegation: Delegation.any,
    capabilities,
    module: new URL("facts.ts", import.meta.url),
    function: name,
    arguments: args,
  });
}

testWith("tokens", "program and map types take the capabilities that a plan says", async () => {
  const all = await inside<Allowed>("allowedTypes", ["bpf", "net_admin", "perfmon"]);
  assert(all.programs.length >= 28 && all.maps.length >= 30);
  for (
    const has of [
      ["bpf"],
      ["bpf", "net_admin"],
      ["bpf", "perfmon"],
    ] as const
  ) {
    const capabilities: readonly BpfCapability[] = has;
    const some = await inside<Allowed>("allowedTypes", capabilities);
    const within = (needed: readonly BpfCapability[]): boolean =>
      needed.every((name) => capabilities.includes(name));
    assertEquals(
      all.programs.filter((type) => some.programs.includes(type)),
      all.programs.filter((type) => within(programTypeFacts(type).capabilities)),
      `programs with ${has}`,
    );
    assertEquals(
      all.maps.filter((type) => some.maps.includes(type)),
      all.maps.filter((type) => within(mapTypeCapabilities(type))),
      `maps with ${has}`,
    );
  }
});

/** Program types that load without CAP_PERFMON, with an attach type and flags with which they load. */
const HELPER_TYPES: readonly (readonly [ProgramTypeName, attachType: number, flags: number])[] = [
  ["socket_filter", 0, 0],
  ["cgroup_skb", 0, 0],
  ["syscall", 0, 1 << 4],
  ["xdp", 0, 0],
  ["cgroup_sock_addr", AttachType.cgroup_inet4_connect, 0],
  ["sk_lookup", AttachType.sk_lookup, 0],
  ["netfilter", AttachType.netfilter, 0],
  ["cgroup_sockopt", AttachType.cgroup_getsockopt, 0],
];

testWith("tokens", "helpers take the capabilities that a plan says", async () => {
  const refused = (...capabilities: BpfCapability[]): Promise<Record<string, number[]>> =>
    inside("refusedHelpersOf", capabilities, HELPER_TYPES);
  const few = await refused("bpf", "net_admin");
  const more = await refused("bpf", "net_admin", "perfmon");
  for (const [type] of HELPER_TYPES) {
    const without = few[type] ?? [];
    const byPerfmon = without.filter((helper) => more[type]?.includes(helper) !== true);
    // Linux 6.12 has one such helper for syscall programs, newer kernels have more.
    assert(byPerfmon.length >= 1, `${type}: ${byPerfmon}`);
    for (const helper of byPerfmon) {
      assertEquals(helperCapability(helper, type), "perfmon", `${type}: ${helperName(helper)}`);
    }
    // Conversely, every helper that a plan assigns to CAP_PERFMON is refused without it.
    for (let helper = 1; helper <= 211; helper++) {
      if (helperCapability(helper, type) !== "perfmon") continue;
      assert(without.includes(helper), `${type}: ${helperName(helper)}`);
    }
  }
});

testWith("bpf", "a plan knows for which program types the kernel looks at the attach type", () => {
  const wrong = AttachType.cgroup_inet4_connect;
  const load = (type: number, expectedAttachType: number): number => {
    const { result } = kernel.programLoadSync({
      type,
      instructions: new Uint8Array([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]),
      license: "GPL",
      expectedAttachType: expectedAttachType === 0 ? undefined : expectedAttachType,
    });
    if (result >= 0) kernel.close(result);
    return result;
  };
  const right: { readonly [type in ProgramTypeName]?: number } = {
    cgroup_sockopt: AttachType.cgroup_getsockopt,
    sk_lookup: AttachType.sk_lookup,
    netfilter: AttachType.netfilter,
  };
  let seen = 0;
  for (const [name, number] of Object.entries(ProgramType)) {
    const type = name as ProgramTypeName;
    // Types that do not load with an attach type alone are left out, and cgroup_sock_addr, for which
    // `wrong` is a valid attach type.
    if (type === "cgroup_sock_addr" || load(number, right[type] ?? 0) < 0) continue;
    seen++;
    assertEquals(load(number, wrong) < 0, programTypeFacts(type).attachTypeChecked, type);
  }
  assert(seen > 20, `${seen}`);
});
