/**
 * Tests the attach planner with a token of the kernel: rewritten programs run on their event, and programs
 * that it refuses are refused before anything is loaded.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { openObject } from "../../loader/mod.ts";
import { plan, type Rewrite, withToken } from "../../token/mod.ts";
import { kernelTest, type KernelTestOptions, missingFeature } from "../support/kernel.ts";
import type { Printed } from "../support/memory_io.ts";
import { PROBED_PROGRAM } from "../support/probed_program.ts";
import { addressOf, type Sight, type Trial } from "./attach_inside.ts";

const fixture = (name: string): string => new URL(`../fixtures/${name}`, import.meta.url).pathname;
const hooks = fixture("hooks.bpf.o");
const delegated = fixture("delegated.bpf.o");

const token: KernelTestOptions = { needs: { root: true, feature: ["ability", "token"] } };
const onlyX86 = (): string | undefined =>
  linuxKernel().machine.machine === "x86_64" ? undefined : "the fixture is built for x86-64";
const x86: KernelTestOptions = { needs: { ...token.needs, unless: onlyX86 } };
const probes: KernelTestOptions = {
  needs: { ...x86.needs, features: [["hook", "kprobe_multi"]] },
};

/** Runs a trial in a sandbox with exactly the planned delegation. */
async function attach(trial: Trial, rewrite: Rewrite = "for-token"): Promise<Sight> {
  const spec = await openObject(trial.path);
  for (const program of spec.programs) program.autoload = trial.programs.includes(program.name);
  return await withToken<Sight>({
    delegation: plan(spec, { rewrite }),
    module: new URL("attach_inside.ts", import.meta.url),
    function: "attach",
    arguments: [JSON.parse(JSON.stringify(trial))],
  });
}

function error(sight: Sight): { readonly [key: string]: unknown } {
  assert(sight.error !== undefined, JSON.stringify(sight));
  return sight.error as { readonly [key: string]: unknown };
}

for (
  const [name, kind] of [["uprobe", "uprobe.multi"], ["uretprobe", "uretprobe.multi"]] as const
) {
  kernelTest(
    `${name} with a token is attached as ${kind}, sees the call and its cookie`,
    token,
    async () => {
      const sight = await attach({
        path: hooks,
        programs: [name],
        attach: { path: "libc.so.6", function: "getgid" },
        cookie: 77,
        trigger: "library",
      });
      const { decisions, ...seen } = sight;
      assertEquals(seen, {
        outcomes: { [name]: "ok" },
        type: 2,
        kind,
        hits: 1,
        value: "77",
        later: 0,
      });
      assertEquals(decisions, [`${name}: SEC("${name}") is attached as ${kind}`]);
    },
  );
}

kernelTest("usdt with a token is attached by uprobe.multi and sees its probe", x86, async () => {
  const sight = await attach({
    path: fixture("usdt.bpf.o"),
    programs: ["fired"],
    attach: { path: PROBED_PROGRAM, provider: "skep", name: "fired" },
    cookie: 5,
    trigger: "target",
  });
  assertEquals([sight.kind, sight.hits, sight.value, sight.later], ["usdt", 1, "5", 0]);
  assertStringIncludes(sight.decisions.join(), "uprobe.multi");
});

kernelTest(
  "a tracepoint program that leaves its context alone runs as raw_tp with a token",
  token,
  async () => {
    const sight = await attach({
      path: delegated,
      programs: ["counts_calls"],
      trigger: "getpgid",
    });
    assertEquals([sight.kind, sight.type, sight.later], ["raw_tracepoint", 17, 0]);
    assert((sight.hits ?? 0) > 0, `${sight.hits}`);
    assertEquals(sight.decisions, [
      'counts_calls: SEC("tp/raw_syscalls/sys_enter") is attached as raw_tp/sys_enter',
    ]);
  },
);

kernelTest(
  "a tracepoint program keeps its cookie as raw_tp",
  { needs: { ...token.needs, features: [["ability", "raw_tracepoint_cookie"]] } },
  async () => {
    const sight = await attach({
      path: delegated,
      programs: ["counts_calls"],
      cookie: 31,
      trigger: "getpgid",
    });
    assertEquals(sight.value, "31");
  },
);

kernelTest(
  "a tracepoint program that reads its context is refused before it is loaded",
  token,
  async () => {
    const { name, message, data, stage } = error(
      await attach({ path: delegated, programs: ["reads_call"], trigger: "none" }),
    );
    assertEquals([name, stage], ["DelegationError", "program"]);
    assertMatch(String(message), /reads 8 bytes of its context \(instruction \d+\)/);
    assertStringIncludes(String(message), 'use SEC("tp_btf/sys_enter")');
    assertStringIncludes(String(message), "int BPF_PROG(reads_call, struct pt_regs *regs, ");
    assertEquals((data as { reason: string }).reason, "perf-event-not-delegable");
  },
);

kernelTest("events that only perf has are refused before they are loaded", token, async () => {
  const { message } = error(
    await attach({ path: delegated, programs: ["counts_getpgid"], trigger: "none" }),
  );
  assertStringIncludes(
    String(message),
    "syscalls/sys_enter_getpgid exists in perf and tracefs only",
  );
  assertStringIncludes(String(message), 'SEC("kprobe.multi/__x64_sys_getpgid")');
});

kernelTest(
  "one refused program among others is an outcome when errors are collected",
  token,
  async () => {
    const sight = await attach({
      path: delegated,
      programs: ["counts_calls", "reads_call"],
      load: { onError: "collect" },
      trigger: "getpgid",
    });
    assertEquals(sight.outcomes["counts_calls"], "ok");
    assertStringIncludes(sight.outcomes["reads_call"] ?? "", "cannot be attached with a token");
    assert((sight.hits ?? 0) > 0);
  },
);

kernelTest(
  "as written, such a program loads, and its attach says why it cannot be",
  token,
  async () => {
    const sight = await attach({
      path: delegated,
      programs: ["reads_call"],
      load: { rewrite: "never" },
      trigger: "none",
    }, "never");
    assertEquals(sight.decisions, []);
    assertEquals([sight.type, sight.outcomes["reads_call"]], [5, "ok"]);
    assertEquals(error(sight)["stage"], "attach");
  },
);

kernelTest("skep run and skep doctor say in what form programs are attached", token, async () => {
  const usdt = fixture("usdt.bpf.o");
  const run = async (words: string[]): Promise<Printed> =>
    await withToken<Printed>({
      delegation: plan(await openObject(usdt)),
      module: new URL("attach_inside.ts", import.meta.url),
      function: "command",
      arguments: [words],
    });
  const ran = await run(["run", usdt, "--duration", "0.1"]);
  assertStringIncludes(ran.error, 'fired: SEC("usdt") is attached as uprobe.multi\n');
  assertEquals(ran.status, 0);
  assertMatch(
    (await run(["doctor"])).out,
    /^attached as .*\n( {2}.*\n)* {2}uprobe +uprobe\.multi\n/m,
  );
});

for (
  const [name, needs, instead, place] of [
    ["uprobe", token, "uprobe.multi", { path: "libc.so.6", function: "getpgid" }],
    ["kprobe", probes, "kprobe.multi/__x64_sys_getpgid", {}],
  ] as const
) {
  kernelTest(`as written, a ${name} is refused by perf_event_open`, needs, async () => {
    const sight = await attach({
      path: hooks,
      programs: [name],
      load: { rewrite: "never" },
      attach: place,
      trigger: "none",
    }, "never");
    const { name: kind, errno, stage, fix, data } = error(sight);
    assertEquals([kind, errno, stage], ["DelegationError", "EACCES", "attach"]);
    assertEquals((data as { reason: string }).reason, "perf-event-not-delegable");
    assertEquals(fix, `use SEC("${instead}")`);
  });
}

for (
  const [name, kind] of [
    ["kprobe", "kprobe.multi"],
    ["kretprobe", "kretprobe.multi"],
    ["ksyscall", "kprobe.multi"],
  ] as const
) {
  kernelTest(
    `${name} with a token is attached as ${kind}, sees the call and its cookie`,
    probes,
    async () => {
      const sight = await attach({ path: hooks, programs: [name], cookie: 9, trigger: "getpgid" });
      const { decisions, outcomes, ...seen } = sight;
      assertEquals(outcomes, { [name]: "ok" });
      assertEquals(seen, { type: 2, kind, hits: 1, value: "9", later: 0 });
      assertEquals(decisions.length, 1);
      assertStringIncludes(decisions.join(), `is attached as ${kind}/__x64_sys_getpgid`);
    },
  );
}

for (const name of ["entry_address", "return_address"]) {
  kernelTest(
    `bpf_get_func_ip gives the function's start in a rewritten probe: ${name}`,
    probes,
    async () => {
      const sight = await attach({ path: delegated, programs: [name], trigger: "getpgid" });
      assertEquals(sight.hits, 1, JSON.stringify(sight));
      assertEquals(BigInt(sight.value ?? 0), addressOf("__x64_sys_getpgid"));
    },
  );
}

kernelTest("a kprobe within a function is refused before it is loaded", x86, async () => {
  const { message } = error(
    await attach({ path: delegated, programs: ["within_getpgid"], trigger: "none" }),
  );
  assertStringIncludes(String(message), "it probes __x64_sys_getpgid at byte 8");
});

kernelTest(
  "a kprobe is refused before it is loaded where the kernel has no kprobe.multi",
  {
    needs: {
      ...x86.needs,
      unless: () =>
        missingFeature("hook", "kprobe_multi") === undefined
          ? "this kernel has kprobe.multi"
          : onlyX86(),
    },
  },
  async () => {
    const { message } = error(
      await attach({ path: hooks, programs: ["kprobe"], trigger: "getpgid" }),
    );
    assertStringIncludes(String(message), "built without CONFIG_FPROBE");
    assertStringIncludes(String(message), 'SEC("fentry/__x64_sys_getpgid")');
  },
);
