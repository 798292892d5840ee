import { assert, assertEquals, assertGreater } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { IteratorReader } from "../../loader/stream/iterator.ts";
import { loadHook, outerPid } from "../support/hooks.ts";
import { kernelTest } from "../support/kernel.ts";

const kernel = linuxKernel();

kernelTest("iter/task gives records with this process among them", async () => {
  using hook = await loadHook("iterate_tasks");
  using link = hook.program.attach({ pid: Deno.pid });
  const decoder = {
    size: 8,
    decode: (
      view: DataView,
      at: number,
    ) => [view.getUint32(at, true), view.getUint32(at + 4, true)],
  };
  const records = await Array.fromAsync(IteratorReader.open(kernel, link).records(decoder));
  assertGreater(records.length, 0);
  assert(records.some(([pid]) => pid === outerPid()));
  assertEquals(new Set(records.map(([, tgid]) => tgid)), new Set([outerPid()]));
  // A second run of the iterator visits the same objects again.
  assertGreater(IteratorReader.open(kernel, link).text().length, 0);
});

kernelTest("iter/bpf_map_elem gives the elements of a map", async () => {
  using hook = await loadHook("iterate_elements");
  const map = hook.object.maps.get("elements");
  {
    using element = kernel.mapElements(map.fd, 4, 4);
    for (const key of [1, 2, 3]) {
      element.key[0] = key;
      element.value[0] = key * 10;
      assertEquals(element.update(), 0);
    }
  }
  using link = hook.program.attach({ map });
  const decoder = {
    size: 8,
    decode: (
      view: DataView,
      at: number,
    ) => [view.getUint32(at, true), view.getUint32(at + 4, true)],
  };
  const records = await Array.fromAsync(IteratorReader.open(kernel, link).records(decoder));
  assertEquals(records.sort(), [[1, 10], [2, 20], [3, 30]]);
});
