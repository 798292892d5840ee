import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import { DelegationError } from "./delegation_error.ts";
import { explainTokenCreation } from "./creation.ts";
import { BPF_FS_MAGIC } from "../../uapi/files.ts";
import { Errno } from "../../uapi/errno.ts";

function fake(effective: string, release = "6.18.0"): FakeKernel {
  return new FakeKernel({
    files: {
      "/proc/self/mountinfo": "60 44 0:39 / /sys/fs/bpf rw - bpf none rw,mode=700\n",
      "/proc/thread-self/status": `Uid:\t0\t0\t0\t0\nCapEff:\t${effective}\n`,
      "/proc/self/uid_map": "         0      65534          1\n",
      "/sys/fs/bpf/x": "",
    },
    filesystems: { "/sys/fs/bpf": BPF_FS_MAGIC },
    machine: { release },
  });
}

function explain(kernel: FakeKernel, result: number, owns: boolean = true): DelegationError {
  if (!owns) kernel.inject({ command: "fsconfig_reconfigure", errno: "EPERM" });
  const directoryFd = kernel.open("/sys/fs/bpf");
  const error = explainTokenCreation(kernel, { path: "/sys/fs/bpf", directoryFd, result });
  assert(error instanceof DelegationError);
  assert(!error.message.includes("\n"));
  return error;
}

const EVERYTHING = "000001ffffffffff";
const WITHOUT_BPF = (0x1ffffffffffn & ~(1n << 39n)).toString(16);

Deno.test("a kernel before 6.9 is reported as too old, not the mount as wrong", () => {
  const error = explain(fake(EVERYTHING, "6.1.0-18-amd64"), -Errno.EINVAL);
  assertEquals(error.reason, "kernel-too-old");
  assertStringIncludes(error.message, "6.1.0-18-amd64");
  assertEquals(explain(fake(EVERYTHING), -Errno.EINVAL).reason, "not-root-of-mount");
});

Deno.test("a mount without delegation is reported with its options", () => {
  const error = explain(fake(EVERYTHING), -Errno.ENOENT);
  assertEquals(error.reason, "nothing-delegated");
  assertEquals(error.evidence, ["its mount options are rw,mode=700"]);
});

Deno.test("EPERM is explained by the namespace when the file system belongs to another", () => {
  assertEquals(explain(fake(EVERYTHING), -Errno.EPERM, false).reason, "wrong-user-namespace");
});

Deno.test("EPERM is explained by the capability when the file system belongs to this namespace", () => {
  assertEquals(explain(fake(WITHOUT_BPF), -Errno.EPERM).reason, "capability-missing");
});

Deno.test("EPERM is explained by a security module when both are right", () => {
  assertEquals(explain(fake(EVERYTHING), -Errno.EPERM).reason, "local-policy");
});

Deno.test("an explanation leaves no descriptor open", () => {
  for (const errno of [-22, -1]) {
    const kernel = fake(EVERYTHING, "6.1.0");
    explain(kernel, errno);
    assertEquals(kernel.leaks(), ["file /sys/fs/bpf"]);
  }
});

Deno.test("an unexpected errno has the cause unknown and is kept", () => {
  const error = explain(fake(EVERYTHING), -Errno.ENOMEM);
  assertEquals([error.reason, error.errno], ["unknown", "ENOMEM"]);
});
