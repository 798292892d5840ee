import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { kernelTest } from "../support/kernel.ts";
import type { SoakResult } from "./soak.ts";

kernelTest(
  "half a million events with map updates: none lost that was not counted as dropped",
  async () => {
    // In a separate process, so that only the run's memory is measured.
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-check",
        "-A",
        new URL("./soak.ts", import.meta.url).pathname,
        ...["500000", "1"],
        "--json",
      ],
      stderr: "inherit",
    }).output();
    const result: SoakResult = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(code, 0, JSON.stringify(result));
    assertEquals(result.written, 500_000);
    assertEquals(result.read + result.dropped, result.written);
    assertEquals(result.outOfOrder, 0);
    assertGreater(result.read, 0);
    assertGreater(result.updates, 0);
    assertLess(result.growth, 64 * 2 ** 20);
  },
);
