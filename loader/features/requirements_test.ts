import { assert, assertEquals } from "@std/assert";
import { KernelError } from "../../errors/kernel_error.ts";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import { explainUnavailable, kernelOption, whyUnavailable } from "./availability.ts";
import { isAtLeast, type RequirementKind, requirementOf, requirements } from "./requirements.ts";
import { Errno } from "../../uapi/errno.ts";

const RELEASE = "6.1.0-50-amd64";

function kernelWith(release: string, configuration?: string): FakeKernel {
  return new FakeKernel({
    machine: { release },
    files: configuration === undefined ? undefined : { [`/boot/config-${release}`]: configuration },
  });
}

function refused(result: number): KernelError {
  return new KernelError({
    doing: "attach",
    subject: "egress",
    command: "BPF_LINK_CREATE",
    result,
    stage: "attach",
  });
}

Deno.test("every requirement names a release, and its options as Kconfig does", () => {
  for (const kind of Object.keys(requirements) as RequirementKind[]) {
    for (const name of Object.keys(requirements[kind])) {
      const { linux, built = [] } = requirementOf(kind, name) ?? { linux: "" };
      assert(/^[3-9]\.\d{1,2}$/.test(linux), `${kind} ${name}: ${linux}`);
      for (const option of built) assert(/^CONFIG_[A-Z0-9_]+$/.test(option), option);
    }
  }
  assertEquals(requirementOf("map", "toString"), undefined);
});

Deno.test("releases are compared by number", () => {
  assert(isAtLeast("6.12.117+deb13-amd64", "6.9"));
  assert(isAtLeast("6.9", "6.9"));
  assert(!isAtLeast("6.1.0-50-amd64", "6.9"));
  assert(isAtLeast("7.0-rc3", "6.17"));
  assert(!isAtLeast("5.19.17", "6.1"));
});

Deno.test("whyUnavailable() reports an older kernel, or a missing configuration option", () => {
  const old = kernelWith(RELEASE, "CONFIG_UPROBES=y\n# CONFIG_FPROBE is not set\n");
  assertEquals(whyUnavailable(old, "hook", "tcx"), {
    why: "it needs Linux 6.6, and this is 6.1.0-50-amd64",
    linux: "6.6",
  });
  assertEquals(whyUnavailable(old, "hook", "kprobe_multi"), {
    why: "it needs a kernel with CONFIG_FPROBE, and this one is built without",
    option: "CONFIG_FPROBE",
  });
  assertEquals(whyUnavailable(old, "map", "ringbuf"), undefined);
  assertEquals(whyUnavailable(old, "map", "no such map"), undefined);
});

Deno.test("an option of a kernel whose configuration cannot be read is unknown", () => {
  assertEquals(kernelOption(kernelWith(RELEASE), "CONFIG_FPROBE"), undefined);
  assertEquals(whyUnavailable(kernelWith(RELEASE), "hook", "kprobe_multi"), undefined);
  const modular = kernelWith(RELEASE, "CONFIG_NETKIT=m\n");
  assertEquals(kernelOption(modular, "CONFIG_NETKIT"), true);
  assertEquals(kernelOption(modular, "CONFIG_NETKI"), false);
});

Deno.test("the error of a kernel that is too old has the release that is needed; EPERM has not", () => {
  const kernel = kernelWith(RELEASE);
  const error = explainUnavailable(kernel, refused(-Errno.EINVAL), [["hook", "tcx"]]);
  assertEquals(
    error?.message,
    "attach egress: EINVAL: it needs Linux 6.6, and this is 6.1.0-50-amd64",
  );
  assertEquals(error?.data["linux"], "6.6");
  assertEquals(error?.stage, "attach");
  assertEquals(explainUnavailable(kernel, refused(-Errno.EPERM), [["hook", "tcx"]]), undefined);
  assertEquals(explainUnavailable(kernel, refused(-Errno.EINVAL), [["hook", "xdp"]]), undefined);
  assertEquals(explainUnavailable(kernel, new Error("x"), [["hook", "tcx"]]), undefined);
});
