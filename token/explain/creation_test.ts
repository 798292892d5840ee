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

Deno.test("a kernel before 6.9 is said to be too old, not the mount to be wrong", () => {
  const error = explain(fake(EVERYTHING, "6.1.0-18-amd64"), -Errno.EINVAL);
  assertEquals(error.reason, "kernel-too-old");
  assertStringIncludes(error.message, "6.1.0-18-amd64");
  assertEquals(explain(fake(EVERYTHING), -Errno.EINVAL).reason, "not-root-of-mount");
});

Deno.test("a mount without delegation is shown with its options", () => {
  const error = explain(fake(EVERYTHING), -Errno.ENOENT);
  assertEquals(error.reason, "nothing-delegated");
  assertEquals(error.evidence, ["its mount options are rw,mode=700"]);
});

Deno.test("EPERM is the namespace's when the file system is another's", () => {
  assertEquals(explain(fake(EVERYTHING), -Errno.EPERM, false).reason, "wrong-user-namespace");
});

Deno.test("EPERM is the capability's when the file system is ours", () => {
  assertEquals(explain(fake(WITHOUT_BPF), -Errno.EPERM).reason, "capability-missing");
});

Deno.test("EPERM is a security module's when both are right", () => {
  assertEquals(explain(fake(EVERYTHING), -Errno.EPERM).reason, "local-policy");
});

Deno.test("an explanation leaves nothing open but what it was given", () => {
  for (const errno of [-22, -1]) {
    const kernel = fake(EVERYTHING, "6.1.0");
    explain(kernel, errno);
    assertEquals(kernel.leaks(), ["file /sys/fs/bpf"]);
  }
});

Deno.test("an errno that nobody has seen is called unknown, and kept", () => {
  const error = explain(fake(EVERYTHING), -Errno.ENOMEM);
  assertEquals([error.reason, error.errno], ["unknown", "ENOMEM"]);
});
