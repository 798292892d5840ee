import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import type { AttachOptions } from "../../loader/attach/attach.ts";
import { BpfObject } from "../../loader/object.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import { hookToken, linksOf, loadHook, until } from "../support/hooks.ts";
import { kernelTest } from "../support/kernel.ts";
import { PROBED_PROGRAM, ProbedProgram } from "../support/probed_program.ts";

const kernel = linuxKernel();
const onlyX86 = (): string | undefined =>
  kernel.machine.machine === "x86_64" ? undefined : "probe_target is built for x86-64";
const x86 = { needs: { root: true, unless: onlyX86 } } as const;

/** Attaches to the target and asserts that its calls are counted, and that they are not once the link is closed. */
async function seesTheCall(
  name: string,
  options: AttachOptions,
  expected: { readonly hits: number; readonly value?: bigint | undefined },
): Promise<void> {
  using hook = await loadHook(name);
  await using target = new ProbedProgram();
  await target.go();
  assertEquals(hook.hits, 0);
  const id = hook.program.info().id;
  {
    using link = hook.program.attach({ path: PROBED_PROGRAM, pid: target.pid, ...options });
    await target.go();
    assertEquals(hook.hits, expected.hits);
    if (expected.value !== undefined) assertEquals(hook.value, expected.value);
    assert(link.attached);
    assertEquals(linksOf([id]).length, 1);
  }
  await target.go();
  assertEquals(hook.hits, expected.hits);
  assertEquals(linksOf([id]), []);
}

for (const name of ["uprobe", "uretprobe"]) {
  kernelTest(
    `${name} sees a function of another program, and its cookie`,
    x86,
    () => seesTheCall(name, { function: "target_one", cookie: 11n }, { hits: 1, value: 11n }),
  );
}

kernelTest(
  "uprobe at an offset of the file sees the function there",
  x86,
  () => seesTheCall("uprobe", { offset: 0x1010 }, { hits: 1 }),
);

const multi = { needs: { ...x86.needs, feature: ["hook", "uprobe_multi"] } } as const;

kernelTest(
  "uprobe.multi sees all functions that its pattern names",
  multi,
  () => seesTheCall("uprobe_multi", { pattern: "target_*" }, { hits: 2 }),
);

kernelTest(
  "uprobe.multi by names passes one cookie for each",
  multi,
  () =>
    seesTheCall("uprobe_multi", {
      functions: ["target_one", "target_two"],
      cookies: [21n, 22n],
    }, { hits: 2, value: 22n }),
);

kernelTest(
  "uretprobe.multi sees functions return",
  multi,
  () => seesTheCall("uretprobe_multi", { pattern: "target_t?o" }, { hits: 1 }),
);

kernelTest(
  "uprobe.session sees entry and return",
  { needs: { ...x86.needs, feature: ["ability", "uprobe_session"] } },
  () => seesTheCall("uprobe_session", { pattern: "target_one" }, { hits: 2 }),
);

kernelTest("uprobe with pid 0 sees this process in a library that is found by its name", {
  needs: { root: true },
}, async () => {
  using hook = await loadHook("uprobe");
  using link = hook.program.attach({ path: "libc.so.6", function: "getgid", pid: 0 });
  assert(link.target.startsWith("/"), link.target);
  // Deno.gid() calls getgid() in libc.
  Deno.gid();
  assertEquals(hook.hits, 1);
});

kernelTest("uprobe of a function that does not exist names the nearest ones", x86, async () => {
  using hook = await loadHook("uprobe");
  assertThrows(
    () => hook.program.attach({ path: PROBED_PROGRAM, function: "target_on" }),
    Error,
    "nearest: target_one",
  );
  assertThrows(
    () => hook.program.attach({ path: "/no/such/file", function: "x" }),
    Error,
    '"/no/such/file" cannot be opened',
  );
  assertThrows(
    () => hook.program.attach({ path: "libnosuchthing.so.1", function: "x" }),
    Error,
    'there is no library "libnosuchthing.so.1"',
  );
});

for (const type of ["uprobe", "uprobe.multi"] as const) {
  kernelTest(
    `usdt by ${type} reads arguments, holds the semaphore and passes its cookie`,
    type === "uprobe" ? x86 : multi,
    async () => {
      const bytes = await Deno.readFile(new URL("../fixtures/usdt.bpf.o", import.meta.url));
      const spec = ObjectSpec.parse(bytes, { name: "usdt.bpf.o" });
      const program = spec.programs.get("fired");
      if (type === "uprobe.multi") program.expectedAttachType = "trace_uprobe_multi";
      else delete program.expectedAttachType;
      using object = await BpfObject.load(spec, { token: hookToken });
      const get = (name: string): unknown => object.variables.get(name).get();
      await using target = new ProbedProgram();
      assertEquals(await target.go(), 0);
      const options = { path: PROBED_PROGRAM, provider: "skep", name: "fired", pid: target.pid };
      for (const round of [1, 2, 3, 4, 5, 6]) {
        using _link = object.programs.get("fired").attach({ ...options, cookie: BigInt(round) });
        assertEquals(await target.go(), 1);
        assertEquals(get("hits"), BigInt(round));
        assertEquals(get("cookie"), BigInt(round));
        assertEquals(get("count"), 4n);
        const [first, second, third] = get("seen") as bigint[];
        // target_one and target_two add three in each round.
        assertEquals(first, BigInt(3 * (2 * round)));
        assertEquals([second, third], [0x123456789an, BigInt.asUintN(64, -7n)]);
        _link.close();
        assertEquals(await target.go(), 0);
      }
      assertThrows(
        () => object.programs.get("fired").attach({ ...options, name: "fire" }),
        Error,
        "nearest: skep:fired",
      );
    },
  );
}

kernelTest("perf_event runs by the clock, in this process", { needs: { root: true } }, async () => {
  using hook = await loadHook("perf_event");
  {
    using link = hook.program.attach({
      event: "cpu_clock",
      frequency: 1000,
      // The id of this thread: tests do not run on the process's first thread.
      pid: Number(kernel.readLink("/proc/thread-self")?.split("/").pop()),
      cookie: 31n,
    });
    const end = performance.now() + 30_000;
    while (hook.hits === 0 && performance.now() < end);
    assertGreater(hook.hits, 0);
    assertEquals(hook.value, 31n);
    assert(link.info() !== undefined);
  }
  const { hits } = hook;
  await until(() => true, "time passes");
  assertEquals(hook.hits, hits);
  assertThrows(
    () => hook.program.attach({ event: "cpu_clok" as "cpu_clock", period: 1 }),
    Error,
    'option event cannot be "cpu_clok"; did you mean "cpu_clock"?',
  );
});

kernelTest(
  "perf_event on every CPU is one link with parts",
  { needs: { root: true } },
  async () => {
    using hook = await loadHook("perf_event");
    using link = hook.program.attach({ event: "cpu_clock", frequency: 100 });
    assertEquals(link.parts.length || 1, kernel.machine.onlineCpus.length);
    await until(() => hook.hits > 0, "the clock ticks");
  },
);
