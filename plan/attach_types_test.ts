import { assertEquals } from "@std/assert";
import { knownSections } from "../tests/support/sections.ts";
import { sectionPlan } from "../object/section/table.ts";
import {
  AttachType,
  type AttachTypeName,
  ProgramType,
  type ProgramTypeName,
} from "../uapi/enums.ts";
import { ATTACH_TYPES, attachTypesOf } from "./attach_types.ts";
import { programTypeFacts } from "./program_types.ts";

/** Returns each program type with the attach types (or undefined) that libbpf's section table loads it with. */
function fromSections(): Map<ProgramTypeName, Set<AttachTypeName | undefined>> {
  const found = new Map<ProgramTypeName, Set<AttachTypeName | undefined>>();
  for (const section of knownSections()) {
    const { type, expectedAttachType } = sectionPlan(section.replace("+", ""));
    found.set(type, (found.get(type) ?? new Set()).add(expectedAttachType));
  }
  return found;
}

Deno.test("every attach type is loaded as libbpf's sections load it", () => {
  for (const [type, attachTypes] of fromSections()) {
    const named = [...attachTypes].filter((name) => name !== undefined);
    assertEquals(new Set(attachTypesOf(type)), new Set(named), type);
    for (const name of named) assertEquals(ATTACH_TYPES[name].loadedAs, type, name);
  }
  const onlyLinked = (Object.keys(AttachType) as AttachTypeName[])
    .filter((name) => ATTACH_TYPES[name].loadedAs === undefined);
  assertEquals(onlyLinked, ["perf_event", "struct_ops"]);
});

Deno.test("the types that load without an attach type too are those of libbpf's sections, and XDP", () => {
  const plain = [...fromSections()]
    .filter(([, attachTypes]) => attachTypes.has(undefined) && attachTypes.size > 1)
    .map(([type]) => type);
  // cgroup_skb without an attach type is loaded as cgroup_inet_ingress, whose number is 0.
  const known = (Object.keys(ProgramType) as ProgramTypeName[])
    .filter((type) => programTypeFacts(type).loadsPlain);
  assertEquals(new Set([...known, "cgroup_skb"]), new Set([...plain, "xdp"]));
});

Deno.test("every program type has a section", () => {
  const types = (Object.keys(ProgramType) as ProgramTypeName[]).filter((type) => type !== "unspec");
  assertEquals(new Set(fromSections().keys()), new Set(types));
});
