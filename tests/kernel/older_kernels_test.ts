// Checks loads that differ between older and newer kernels: context tags, arena globals, jump tables.

import { assert, assertEquals } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { RecordingKernel } from "../../kernel/fake/recording.ts";
import { BpfObject, openObject } from "../../loader/mod.ts";
import { isAtLeast } from "../../loader/features/requirements.ts";
import { btfToLoad } from "../../object/btf/btf_to_load.ts";
import arena from "../fixtures/arena.bpf.o" with { type: "bytes" };
import contexts from "../fixtures/contexts.bpf.o" with { type: "bytes" };
import branches from "../fixtures/jump_tables.bpf.o" with { type: "bytes" };
import jumpTables from "../fixtures/clang22_v4/jump_tables.bpf.o" with { type: "bytes" };
import { kernelTest } from "../support/kernel.ts";

const kernel = linuxKernel();
const { release } = kernel.machine;

/** Returns the state that `choose()` of the fixture computes, or `undefined` where it leaves the state unchanged. */
function chosen(selector: number, state: number): number | undefined {
  const cases: readonly ((s: number) => number)[] = [
    (s) => s + 11,
    (s) => Math.imul(s, 3),
    (s) => s ^ 0x55,
    (s) => s - 9,
    (s) => s << 2,
    (s) => s | 64,
    (s) => s >>> 1,
    (s) => s & 0xf0f,
    (s) => s + s,
    (s) => ~s,
    (s) => Math.imul(s, s),
    (s) => s + 12345,
    (s) => s % 97,
    (s) => Math.floor(s / 5),
    (s) => s ^ s << 3,
  ];
  const change = cases[selector];
  return change === undefined ? undefined : change(state) >>> 0;
}

/** Returns the bytes of the last BTF that was loaded. */
function loadedBtf(recorder: RecordingKernel): Uint8Array {
  let last: Uint8Array | undefined;
  for (const { command, arguments: given } of recorder.toJSON().calls) {
    if (command !== "btfLoad") continue;
    const { bytes } = (given as unknown as [{ bytes: { $bytes: string } }])[0];
    last = Uint8Array.fromBase64(bytes.$bytes);
  }
  assert(last !== undefined);
  return last;
}

kernelTest("functions with a tagged context load on every kernel", async () => {
  const spec = await openObject(contexts, { name: "contexts.bpf.o" });
  const recorder = new RecordingKernel(kernel);
  using object = await BpfObject.load(spec, {
    kernel: recorder.kernel,
    token: false,
    onError: "collect",
  });
  const native = isAtLeast(release, "6.8");
  const refused = object.outcomes.filter(({ ok }) => !ok).map(({ program }) => program.name);
  // A tracepoint's context has no type name that kernels before 6.8 accept.
  assertEquals(refused, native ? [] : ["traced"]);
  const bytes = loadedBtf(recorder);
  assertEquals(bytes.length > btfToLoad(spec).length, !native);
  if (native) assertEquals(bytes, btfToLoad(spec));
});

kernelTest(
  "arena globals lie in the last pages where programs reach them, else in the first",
  { needs: { features: [["map", "arena"], ["program", "syscall"]] } },
  async () => {
    using object = await BpfObject.load(arena, { token: false });
    const { memory } = object.maps.get("arena");
    const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
    const start = isAtLeast(release, "7.0") ? memory.length - 2 * 4096 : 0;
    const at = (name: string): number => start + object.spec.variables.get(name).offset;
    assertEquals(view.getBigUint64(at("first"), true), 7n);
    assertEquals(view.getUint32(at("last"), true), 11);
    assertEquals(object.variables.get("last").get(), 11);

    assertEquals(object.programs.get("swap").testRun().returnValue, 18);
    assertEquals([view.getBigUint64(at("first"), true), view.getUint32(at("last"), true)], [
      100n,
      200,
    ]);
    const { variables } = object;
    assertEquals([variables.get("first").get(), variables.get("last").get()], [100n, 200]);
    variables.get("first").set(1n);
    assertEquals(object.programs.get("swap").testRun().returnValue, 201);
  },
);

for (
  const [how, bytes, feature] of [
    ["branches", branches, ["program", "syscall"]],
    ["jump tables", jumpTables, ["map", "insn_array"]],
  ] as const
) {
  kernelTest(`a large switch goes by ${how}`, { needs: { feature } }, async () => {
    using object = await BpfObject.load(bytes, { token: false });
    const selector = object.variables.get("selector");
    const state = object.variables.get("state");
    for (let number = 0; number < 17; number++) {
      selector.set(number);
      state.set(12345);
      const first = chosen(number, 12345);
      assertEquals(
        object.programs.get("jump").testRun().returnValue,
        first === undefined ? 0 : 1,
      );
      assertEquals(state.get(), first ?? 12345);

      state.set(777);
      const once = chosen(number, 777);
      const twice = chosen(number + 1, once ?? 777);
      assertEquals(
        object.programs.get("call").testRun().returnValue,
        (once === undefined ? 0 : 2) + (twice === undefined ? 0 : 2),
      );
      assertEquals(state.get(), twice ?? once ?? 777);
    }
  });
}
