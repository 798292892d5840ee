import { assert, assertEquals } from "@std/assert";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { Errno, type ErrnoName } from "../../uapi/errno.ts";
import { explainRefusal } from "./refusal.ts";
import { explainSeccomp } from "./seccomp.ts";

function filtered(facts: {
  readonly seccomp: number;
  readonly answer?: ErrnoName | undefined;
  readonly release?: string | undefined;
  readonly capabilities?: string | undefined;
  readonly filesystems?: string | undefined;
}): FakeKernel {
  const { seccomp, answer, release = "6.18.0", capabilities = "0000000000000000" } = facts;
  const fake = new FakeKernel({
    files: {
      "/proc/thread-self/status":
        `Uid:\t0\t0\t0\t0\nCapEff:\t${capabilities}\nSeccomp:\t${seccomp}\nSeccomp_filters:\t1\n`,
      "/proc/filesystems": facts.filesystems ?? "nodev\tsysfs\nnodev\tbpf\n\text4\n",
    },
    machine: { release },
  });
  return answer === undefined ? fake : fake.inject({ command: "probe_command", errno: answer });
}

const refusal = { command: "BPF_MAP_CREATE", doing: "create map", subject: "x" };

for (const name of ["EPERM", "ENOSYS", "EACCES"] as const) {
  Deno.test(`a filter that returns ${name} is detected and reported with evidence`, () => {
    const error = explainRefusal(filtered({ seccomp: 2, answer: name }), {
      ...refusal,
      result: -Errno[name],
    });
    assertEquals(error?.reason, "seccomp");
    assertEquals(error?.errno, name);
    assert(error?.evidence.some((line) => line.includes(`returns ${name}, not E2BIG`)));
  });
}

Deno.test("a filter is not blamed when the command reaches the kernel", () => {
  for (const seccomp of [0, 2]) {
    const error = explainRefusal(filtered({ seccomp }), { ...refusal, result: -Errno.EPERM });
    assert(error?.reason !== "seccomp");
  }
});

Deno.test("results of kernels that look like a filter's are not mistaken for one", () => {
  const found = (facts: Parameters<typeof filtered>[0], errno: ErrnoName): boolean =>
    explainRefusal(filtered(facts), { ...refusal, result: -Errno[errno] })?.reason === "seccomp";
  // No filter applies.
  assert(!found({ seccomp: 0, answer: "EPERM" }, "EPERM"));
  // Without CONFIG_BPF_SYSCALL.
  assert(!found({ seccomp: 2, answer: "ENOSYS", filesystems: "nodev\tsysfs\n" }, "ENOSYS"));
  // unprivileged_bpf_disabled, whose check came first in older kernels.
  assert(!found({ seccomp: 2, answer: "EPERM", release: "6.1.0" }, "EPERM"));
  assert(
    found(
      { seccomp: 2, answer: "EPERM", release: "6.1.0", capabilities: "000001ffffffffff" },
      "EPERM",
    ),
  );
});

Deno.test("every command of bpf(2) is explained, and no other call", () => {
  const error = (command: string): KernelError =>
    new KernelError({ doing: "list", subject: "maps", command, result: -Errno.EPERM });
  const denying = filtered({ seccomp: 2, answer: "EPERM" });
  const explained = explainSeccomp(denying, error("BPF_MAP_GET_NEXT_ID"));
  assertEquals([explained?.reason, explained?.stage], ["seccomp", "token"]);
  assertEquals(explainSeccomp(denying, error("perf_event_open")), undefined);
});
