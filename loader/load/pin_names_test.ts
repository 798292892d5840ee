import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import pinned from "../../tests/fixtures/pinned.bpf.o" with { type: "bytes" };
import { FakeKernel } from "../../kernel/fake/fake.ts";
import { bpffsComponentFault, componentFault } from "../../kernel/path_component.ts";
import { pinDescriptor } from "../../kernel/pin.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import { BPF_FS_MAGIC } from "../../uapi/files.ts";
import { BpfObject } from "../object.ts";

/** Returns the object with its map `kept` renamed to a name of the same length. */
function renamed(name: string): ObjectSpec {
  const bytes = pinned.slice();
  const text = new TextDecoder("latin1").decode(bytes);
  for (let at = text.indexOf("kept\0"); at >= 0; at = text.indexOf("kept\0", at + 1)) {
    bytes.set(new TextEncoder().encode(name), at);
  }
  return ObjectSpec.parse(bytes, { name: "renamed.bpf.o" });
}

/** A kernel that fails the test on any call. */
function untouched(): FakeKernel {
  return new Proxy(new FakeKernel(), {
    get: (_, property) => {
      throw new Error(`the kernel was asked for ${String(property)}`);
    },
  });
}

for (const name of ["../x", "a/bc", "/abc", "abc/", "a.bc", "...."]) {
  Deno.test(`a map that is pinned by the name ${name} is refused before any system call`, async () => {
    const spec = renamed(name);
    assertEquals(spec.maps.get(name).pinning, "by-name");
    const error = await assertRejects(
      () => BpfObject.load(spec, { kernel: untouched(), token: false }),
      SkepError,
    );
    assertEquals([error.errno, error.stage], ["EINVAL", "map"]);
    assert(error.message.startsWith(`pin map ${name}: `), error.message);
  });
}

Deno.test("a map with such a name is pinned at a path that the caller sets", async () => {
  const kernel = new FakeKernel({ filesystems: { "/sys/fs/bpf": BPF_FS_MAGIC } });
  const spec = renamed("../x");
  spec.maps.get("../x").pinPath = "/sys/fs/bpf/mine";
  using _object = await BpfObject.load(spec, { kernel, token: false });
  assert(kernel.pins.has("/sys/fs/bpf/mine"));
});

Deno.test("a pin name that no BPF file system accepts is refused with the reason", () => {
  const kernel = untouched();
  for (
    const path of [
      "/sys/fs/bpf/a.b",
      "/sys/fs/bpf/..",
      "/sys/fs/bpf/",
      `/sys/fs/bpf/${"x".repeat(256)}`,
    ]
  ) {
    const error = assertThrows(() => pinDescriptor(kernel, 3, path, "it"), SkepError);
    assertEquals(error.errno, "EINVAL");
  }
});

Deno.test("componentFault() accepts exactly one path component", () => {
  for (const name of ["a", "events", "a b", "…", "a..b", "-", "x".repeat(255)]) {
    assertEquals(componentFault(name), undefined);
  }
  for (
    const name of ["", ".", "..", "/", "a/b", "../a", "a\0b", "x".repeat(256), "é".repeat(128)]
  ) {
    assert(componentFault(name) !== undefined, name);
  }
  assertEquals(componentFault("a.b"), undefined);
  assert(bpffsComponentFault("a.b")?.includes("dot"));
});
