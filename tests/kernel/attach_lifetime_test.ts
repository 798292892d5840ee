import { assert, assertEquals } from "@std/assert";
import type { ObjectKind } from "../../kernel/kernel.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import type { HeldLinks } from "../support/hold_links.ts";
import { cgroupRoot, linksOf, loadHook, until } from "../support/hooks.ts";
import { kernelTest } from "../support/kernel.ts";

const kernel = linuxKernel();

/** Returns whether the kernel still has an object with this id. */
function exists(kind: ObjectKind, id: number): boolean {
  const fd = kernel.getFdById(kind, id);
  if (fd >= 0) kernel.close(fd);
  return fd >= 0;
}

for (
  const [way, words] of [
    ["wait", "is killed"],
    ["throw", "ends by an error"],
    ["exit", "exits at once"],
    ["return", "leaves its scope"],
  ] as const
) {
  kernelTest(`a process that ${words} leaves no link, program or map behind`, {
    needs: {
      root: true,
      feature: ["hook", "tcx"],
      unless: () => cgroupRoot() === undefined ? "cgroup version 2 is not mounted" : undefined,
    },
  }, async () => {
    const cgroup = `${cgroupRoot()}/skep-held-${Deno.pid}-${way}`;
    assertEquals(kernel.makeDirectory(cgroup), 0);
    try {
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--no-check",
          "-A",
          new URL("../support/hold_links.ts", import.meta.url).pathname,
          way,
          cgroup,
        ],
        stdin: "piped",
        stdout: "piped",
        stderr: way === "throw" ? "null" : "inherit",
      }).spawn();
      const held = await firstLine(child.stdout);
      assert(held.links.length >= 11, `${held.links.length} links`);
      for (const id of held.links) assert(exists("link", id));
      for (const id of held.programs) assert(exists("program", id));
      if (way === "wait") {
        child.kill("SIGKILL");
        await child.stdin.close().catch(() => {});
      } else {
        const writer = child.stdin.getWriter();
        await writer.write(new Uint8Array(1));
        await writer.close();
      }
      await child.status;
      // The kernel frees programs after a grace period.
      await until(
        () =>
          !held.links.some((id) => exists("link", id)) &&
          !held.programs.some((id) => exists("program", id)) &&
          !held.maps.some((id) => exists("map", id)),
        "all are gone",
      );
    } finally {
      await until(() => kernel.unlink(cgroup) === 0, "the cgroup is gone");
    }
  });
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<HeldLinks> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the child ended before it told its ids: ${text}`);
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return JSON.parse(text);
}

kernelTest("attaching that fails leaves nothing behind", { needs: { root: true } }, async () => {
  using hook = await loadHook("perf_event");
  const id = hook.program.info().id;
  for (let round = 0; round < 10; round++) {
    for (
      const attach of [
        () => hook.program.attach({ event: "cpu_clock", frequency: 1, cpu: 9999 }),
        () => hook.program.attach({ event: { type: 9999, config: 0n }, period: 1 }),
        () => hook.program.attach({}),
      ]
    ) {
      try {
        attach().close();
        assert(false, "it attached");
      } catch (error) {
        assert(
          error instanceof Error && error.message.startsWith("attach perf_event"),
          String(error),
        );
      }
    }
  }
  assertEquals(linksOf([id]), []);
});

kernelTest("detaching twice, and disposing of a link that was released, does nothing", async () => {
  using hook = await loadHook("typed_tracepoint");
  const id = hook.program.info().id;
  const link = hook.program.attach();
  link.detach();
  link.detach();
  link.close();
  assertEquals(linksOf([id]), []);
  const released = hook.program.attach();
  const fd = released.release();
  released.close();
  assertEquals(linksOf([id]).length, 1);
  kernel.close(fd);
  assertEquals(linksOf([id]), []);
});
