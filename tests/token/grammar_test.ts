/**
 * Checks that we parse mount options as the kernel does.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import {
  createFilesystem,
  mountFilesystem,
  moveMount,
  openFilesystem,
  setFilesystemOption,
} from "../../kernel/process/mounts.ts";
import { features } from "../../loader/features/features.ts";
import { AttachType } from "../../uapi/enums.ts";
import { native } from "../../kernel/linux/ffi/native.ts";
import { systemCalls } from "../../kernel/linux/ffi/syscalls.ts";
import { bpffsMounts, Delegation } from "../../token/mod.ts";
import { testWith } from "../support/needs.ts";
import { Errno } from "../../uapi/errno.ts";

const kernel = linuxKernel();

/** Returns the delegation after setting values one after the other, or the negative errno of the refused value. */
function asked(key: string, ...values: string[]): Delegation | number {
  const directory = Deno.makeTempDirSync({ prefix: "skep-" });
  const context = openFilesystem("bpf");
  try {
    for (const value of values) {
      const result = setFilesystemOption(context, key, value);
      if (result < 0) return result;
    }
    assertEquals(createFilesystem(context), 0);
    const mount = mountFilesystem(context);
    assertEquals(moveMount(mount, directory), 0);
    kernel.close(mount);
    const found = bpffsMounts(kernel).find(({ path }) => path === directory);
    assert(found?.delegation !== undefined);
    using frame = native().frame();
    native().call(systemCalls.umount2, frame.text(directory), 2);
    return found.delegation;
  } finally {
    kernel.close(context);
    Deno.removeSync(directory);
  }
}

const accepted: readonly (readonly [key: string, value: string])[] = [
  ["delegate_cmds", "map_create"],
  ["delegate_cmds", "MAP_CREATE:Prog_Load"],
  ["delegate_cmds", "prog_load:0x1"],
  ["delegate_cmds", "0x1:prog_load"],
  ["delegate_cmds", "any:0x1"],
  ["delegate_cmds", "0x1:0x20"],
  ["delegate_cmds", "010"],
  ["delegate_cmds", "10"],
  ["delegate_cmds", "prog_run"],
  ["delegate_cmds", "0"],
  ["delegate_maps", "hash:array:ringbuf"],
  ["delegate_maps", "cgroup_storage"],
  ["delegate_progs", "xdp:sched_cls:tracing"],
  ["delegate_attachs", "cgroup_inet_ingress:xdp:trace_raw_tp"],
  ["delegate_attachs", "any"],
];

const refused: readonly string[] = [
  "BPF_PROG_LOAD",
  "ANY",
  "-1",
  "",
  "map_create:",
  ":map_create",
  "map_create,prog_load",
  "map_create prog_load",
  " map_create",
  "no_such_command",
  "x".repeat(300),
];

for (const [key, value] of accepted) {
  testWith("tokens", `${key}=${value} means to us what it means to the kernel`, () => {
    const theirs = asked(key, value);
    assert(theirs instanceof Delegation, `${theirs}`);
    // The kernel prints "any" when every bit that it supports is set.
    const ours = Delegation.parse(`${key}=${value}`);
    assertEquals(theirs.toMountOptions(), ours.toMountOptions());
  });
}

for (const value of refused) {
  testWith("tokens", `the kernel refuses the value "${value.slice(0, 20)}"`, () => {
    assertEquals(asked("delegate_cmds", value), -Errno.EINVAL);
  });
}

testWith("tokens", "values that are set one after the other add up", () => {
  const masks = asked("delegate_cmds", "map_create", "0x20", "btf_load");
  assert(masks instanceof Delegation);
  assertEquals(masks.names("commands"), ["map_create", "prog_load", "btf_load"]);
});

testWith("tokens", "a mistyped option is taken without a word and delegates nothing", () => {
  const masks = asked("delegate_cmd", "any");
  assert(masks instanceof Delegation);
  assert(masks.empty);
});

testWith("tokens", "what we write for any set of words the kernel reads as that set", () => {
  // The kernel does not keep the bits of types that it does not have.
  const everyAttach = Object.entries(AttachType)
    .filter(([name]) => features(kernel).has("attach", name))
    .reduce((mask, [, number]) => mask | 1n << BigInt(number), 0n);
  for (
    const delegation of [
      new Delegation({ attachments: everyAttach & ~2n }),
      new Delegation({ attachments: everyAttach & ~1n }),
      Delegation.of({ commands: ["map_create", "btf_load"], programs: ["xdp"] }),
      Delegation.any,
    ]
  ) {
    for (const option of delegation.toMountOptions().split(",")) {
      const equals = option.indexOf("=");
      const theirs = asked(option.slice(0, equals), option.slice(equals + 1));
      assert(theirs instanceof Delegation, option);
      assertEquals(theirs.toMountOptions(), option);
    }
    for (const { key, value } of delegation.toFsconfig()) {
      const theirs = asked(key, value);
      assert(theirs instanceof Delegation);
      assertEquals(theirs.toMountOptions(), Delegation.parse(`${key}=${value}`).toMountOptions());
    }
  }
});
