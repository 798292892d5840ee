import { assert, assertEquals, assertNotEquals, assertStrictEquals } from "@std/assert";
import contexts from "../../tests/fixtures/contexts.bpf.o" with { type: "bytes" };
import linking from "../../tests/fixtures/linking.bpf.o" with { type: "bytes" };
import { Btf } from "../../btf/btf.ts";
import { argumentContexts, hasArgumentContexts } from "./argument_contexts.ts";
import { btfToLoad } from "../btf/btf_to_load.ts";
import { relocateOne } from "../../tests/support/relocate.ts";
import { ObjectSpec } from "../object_spec.ts";
import { BTF_GENERATIONS } from "../btf/sanitize_btf.ts";
import type { RelocatedProgram } from "../spec/spec.ts";

const spec = ObjectSpec.parse(contexts, { name: "contexts.bpf.o" });
const linked = ["probe", "raw", "frame", "traced"].map((name) =>
  relocateOne(spec, spec.programs.get(name))
);
const fixed = argumentContexts(spec, linked);
const before = spec.btf as Btf;
const after = Btf.parse(btfToLoad(spec, undefined, fixed.types));

/** Returns the type ids of a relocated program's functions by name. */
function functions(program: RelocatedProgram | undefined, btf: Btf): Map<string, number> {
  const { recordSize = 0, records = new Uint8Array() } = program?.funcInfo ?? {};
  const view = new DataView(records.buffer);
  const found = new Map<string, number>();
  for (let at = 4; at < records.length; at += recordSize) {
    const id = view.getUint32(at, true);
    found.set(btf.nameOf(id), id);
  }
  return found;
}

/** Returns a function's parameters as `name: kind name`. */
function parameters(btf: Btf, id: number): string[] {
  const func = btf.type(id);
  assert(func.kind === "func" && func.linkage === "global");
  const prototype = btf.type(func.type);
  assert(prototype.kind === "func_proto");
  return prototype.parameters.map(({ name, type }) => {
    const pointer = btf.type(type);
    if (pointer.kind !== "ptr") return `${name}: ${btf.nameOf(type)}`;
    return `${name}: ${btf.kindName(pointer.type)} ${btf.nameOf(pointer.type)} *`;
  });
}

Deno.test("argumentContexts clones a function once per context, with only tagged parameters changed", () => {
  const ids = fixed.programs.map((program) => functions(program, after).get("emit") ?? 0);
  const [probe = 0, raw = 0, frame = 0, traced = 0] = ids;
  assertEquals(parameters(after, probe), [
    "before: __u32",
    "context: struct bpf_user_pt_regs_t *",
    "after: __u32",
  ]);
  assertEquals(parameters(after, raw)[1], "context: struct bpf_raw_tracepoint_args *");
  assertEquals(parameters(after, frame)[1], "context: struct xdp_md *");
  assert([probe, raw, frame].every((id) => id >= before.endId));
  assertEquals(after.type(after.find("xdp_md", "struct") ?? 0).kind, "struct");
  // Kernels before 6.8 have no named context of tracepoints.
  assertEquals(traced, functions(linked[3], before).get("emit"));
  assertStrictEquals(fixed.programs[3], linked[3]);
});

Deno.test("argumentContexts does not change the original function and its tag", () => {
  for (let id = 1; id < before.endId; id++) {
    assertEquals(
      [after.kindName(id), after.nameOf(id)],
      [before.kindName(id), before.nameOf(id)],
    );
  }
  const original = functions(linked[0], before).get("emit") ?? 0;
  assertEquals(parameters(after, original)[1], "context: void  *");
  const clone = functions(fixed.programs[0], after).get("emit") ?? 0;
  const tags = after.findAll("arg:ctx", ["decl_tag"]).map((id) => after.type(id));
  assert(
    tags.some((tag) => tag.kind === "decl_tag" && tag.type === clone && tag.componentIndex === 1),
  );
});

Deno.test("argumentContexts changes types that stand for the context, but not context types", () => {
  const probe = functions(fixed.programs[0], after);
  assertEquals(parameters(after, probe.get("registers") ?? 0), [
    "context: struct bpf_user_pt_regs_t *",
  ]);
  const [frame, written] = [functions(fixed.programs[2], after), functions(linked[2], before)];
  assertEquals(frame.get("packet"), written.get("packet"));
  assertEquals(frame.get("frame"), written.get("frame"));
  assertNotEquals(frame.get("emit"), written.get("emit"));
});

Deno.test("argumentContexts does not clone hidden functions", () => {
  const hidden = functions(fixed.programs[2], after).get("hidden") ?? 0;
  assertEquals(hidden, functions(linked[2], before).get("hidden"));
  const func = after.type(hidden);
  assertEquals(func.kind === "func" && func.linkage, "static");
});

Deno.test("clones keep their ids in the BTF for older kernels", () => {
  const clone = functions(fixed.programs[0], after).get("emit") ?? 0;
  for (const generation of BTF_GENERATIONS) {
    const btf = Btf.parse(btfToLoad(spec, generation, fixed.types));
    assertEquals(btf.nameOf(clone), "emit");
    assertEquals(btf.endId >= after.endId, true);
  }
});

Deno.test("hasArgumentContexts returns whether an object has tagged parameters", () => {
  assertEquals(hasArgumentContexts(spec), true);
  const other = ObjectSpec.parse(linking);
  assertEquals(hasArgumentContexts(other), false);
  const programs = [relocateOne(other, other.programs.get("caller"))];
  assertEquals(argumentContexts(other, programs), { programs, types: [] });
});
