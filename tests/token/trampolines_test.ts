/**
 * Ports the subtests of the kernel's `prog_tests/token.c` that take trampolines or change the machine: 5 with
 * its LSM policy, 6, 7 and 13.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { BpfObject, openObject } from "../../loader/mod.ts";
import { isAtLeast } from "../../loader/features/requirements.ts";
import { Delegation, withToken, type WithTokenOptions } from "../../token/mod.ts";
import { missingFeature, reasonToSkip } from "../support/kernel.ts";
import { missing } from "../support/needs.ts";
import { trampolinesFor } from "../support/trampolines.ts";

const kernel = linuxKernel();
const tokenObject = new URL("../fixtures/token.bpf.o", import.meta.url).pathname;
const policy = new URL("../fixtures/token_policy.bpf.o", import.meta.url);
/** Uid that no other test uses. */
const USER = 64_321;

async function inside<T>(options: Omit<WithTokenOptions, "module">): Promise<T> {
  return await withToken<T>({ module: new URL("trampolines.ts", import.meta.url), ...options });
}

function tokenTest(name: string, reason: string | undefined, body: () => Promise<void>): void {
  const why = missing("tokens") ?? reason;
  if (why === undefined) Deno.test(name, body);
  else Deno.test({ name: `${name} [skipped: ${why}]`, ignore: true, fn: body });
}

tokenTest(
  "obj_priv_prog: what an LSM policy refuses is told as such, not as a missing word",
  reasonToSkip({ needs: trampolinesFor("lsm") }),
  async () => {
    const spec = await openObject(policy);
    spec.variables.get("user").set(USER);
    using object = await BpfObject.load(spec, { token: false });
    using _links = object.attach();
    const set = (name: string, value: number): void => object.variables.get(name).set(value);
    const load = async (): Promise<string> =>
      await inside<string>({
        user: USER,
        delegation: Delegation.of({
          commands: ["prog_load", "map_create", "btf_load"],
          maps: "any",
          programs: ["xdp"],
          attachments: "any",
        }),
        function: "loadOne",
        arguments: [tokenObject, "count_packets"],
      });
    assertEquals(await load(), "ok");
    assertGreater(Number(object.variables.get("asked_capable").get()), 0);
    assertGreater(Number(object.variables.get("asked_command").get()), 0);
    for (const flag of ["reject_capable", "reject_command"]) {
      set(flag, 1);
      const answer = await load();
      assertStringIncludes(answer, "local-policy: ", flag);
      assertStringIncludes(answer, "EPERM", flag);
      assert(!answer.includes("delegate_"), answer);
      set(flag, 0);
    }
    assertEquals(await load(), "ok");
  },
);

tokenTest(
  "obj_priv_freplace_prog: a program of a token's replaces a function of another, whenever its target is set",
  reasonToSkip({ needs: trampolinesFor("freplace") }) ??
    missingFeature("ability", "btf_by_id_token"),
  async () => {
    const answers = await inside<{ withoutToken: string; withToken: string }>({
      delegation: Delegation.of({
        commands: ["btf_load", "prog_load", "btf_get_fd_by_id", "map_create"],
        maps: "any",
        programs: ["ext", "sched_cls"],
        attachments: "any",
      }),
      function: "replace",
    });
    assertEquals(answers.withToken, "ok");
    assertStringIncludes(answers.withoutToken, "EPERM");
  },
);

const PARANOID = "/proc/sys/kernel/perf_event_paranoid";
const RESTRICT = "/proc/sys/kernel/kptr_restrict";

/** Runs `body` with changed sysctls, and restores them. */
async function withSysctls<T>(
  values: { readonly [path: string]: string },
  body: () => Promise<T>,
): Promise<T> {
  const before = Object.keys(values).map((path) => [path, Deno.readTextFileSync(path)] as const);
  try {
    for (const [path, value] of Object.entries(values)) Deno.writeTextFileSync(path, value);
    return await body();
  } finally {
    for (const [path, value] of before) Deno.writeTextFileSync(path, value);
  }
}

tokenTest(
  "obj_priv_prog_kallsyms: a token's program and its subprogram are among the kernel's symbols",
  Deno.env.has("SKEP_GUEST") ? undefined : "it changes sysctls, which only a guest may",
  async () => {
    const names = await withSysctls({ [PARANOID]: "0", [RESTRICT]: "0" }, () =>
      inside<string[]>({
        delegation: Delegation.of({
          commands: ["btf_load", "prog_load", "map_create"],
          maps: "any",
          programs: ["sched_cls"],
          attachments: "any",
        }),
        function: "symbols",
      }));
    // Linux 6.12 does not show subprograms of a program loaded with a token; 7.2 does.
    const subprogram = isAtLeast(kernel.machine.release, "7.2") || names.includes("replaceable");
    assertEquals(names, [...(subprogram ? ["replaceable"] : []), "with_replaceable"]);
  },
);
