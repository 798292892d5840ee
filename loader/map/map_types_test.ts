import { assertEquals } from "@std/assert";
import type { BtfValue } from "../../btf/mod.ts";
import type { BpfMap, BpfObject, DeviceTarget, Input, OneCpu } from "../mod.ts";

/** Never runs: `deno check` is the test. */
export function calls(
  counts: BpfMap<number, bigint>,
  perCpu: BpfMap<number, bigint[]>,
  points: BpfMap<{ x: number }, { y: string }>,
  queue: BpfMap<never, number>,
  devices: BpfMap<number, DeviceTarget>,
  holder: BpfMap<number, number>,
  plain: BpfMap,
  object: BpfObject,
): void {
  counts.set(1, 1n).get(1);
  // @ts-expect-error: a value of 64 bits is a bigint
  counts.set(1, 1);
  // @ts-expect-error: a key of text
  counts.get("1");
  // @ts-expect-error: a mode that there is not
  counts.set(1, 1n, { mode: "sometimes" });
  const one: bigint | undefined = perCpu.getOnCpu(1, 0);
  perCpu.setOnCpu(1, 0, one ?? 0n).setOnAllCpus(1, 0n);
  // @ts-expect-error: one CPU's value where those of all belong
  perCpu.set(1, 1n);
  // @ts-expect-error: those of all where one CPU's belongs
  perCpu.setOnCpu(1, 0, [1n]);
  points.set({ x: 1 }, { y: "a" });
  // @ts-expect-error: another member
  points.set({ x: 1 }, { z: "a" });
  // @ts-expect-error: a thing with a descriptor is no struct
  points.set({ x: 1 }, { fd: 3 });
  queue.push(1);
  const next: number | undefined = queue.pop();
  // @ts-expect-error: a queue has no keys
  queue.get(next ?? 0);
  // @ts-expect-error: a queue has no keys
  queue.set(1, 1);
  devices.set(1, { ifindex: 1, program: holder });
  // @ts-expect-error: an interface must be told
  devices.set(1, { program: 3 });
  holder.set(1, counts).set(1, 3).set(1, { fd: 3 });
  plain.set(1, counts).set({ id: 1 }, [1n, { x: "a" }]);
  // @ts-expect-error: nothing is no value
  plain.set(1, undefined);
  const values: BtfValue | undefined = object.map("any").get(1);
  const known: string | undefined = object.map<number, string>("any").get(1);
  // @ts-expect-error: it is text
  const wrong: number | undefined = object.map<number, string>("any").get(1);
  object.variable<bigint>("runs").set(1n);
  // @ts-expect-error: it is a bigint
  object.variable<bigint>("runs").set(1);
  void [values, known, wrong];
}

Deno.test("types: what may be set is what comes back, or has a descriptor where numbers do", () => {
  const number: Input<number> = { fd: 3 };
  const text: Input<string> = "a";
  const one: OneCpu<bigint[]> = 1n;
  assertEquals([number, text, one], [{ fd: 3 }, "a", 1n]);
});
