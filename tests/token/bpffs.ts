/**
 * A BPF filesystem for tests.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import {
  createFilesystem,
  mountFilesystem,
  moveMount,
  openFilesystem,
  setFilesystemOption,
} from "../../kernel/process/mounts.ts";
import { native } from "../../kernel/linux/ffi/native.ts";
import { systemCalls } from "../../kernel/linux/ffi/syscalls.ts";
import { MNT_DETACH } from "../../uapi/mounts.ts";

/** Mounts a bpffs of the initial user namespace with mode 755 and every command delegated, and unmounts it after `use`. */
export async function withInitialBpffs<T>(use: (path: string) => Promise<T>): Promise<T> {
  const kernel = linuxKernel();
  const path = await Deno.makeTempDir({ prefix: "skep-" });
  await Deno.chmod(path, 0o755);
  const context = openFilesystem("bpf");
  setFilesystemOption(context, "mode", "755");
  setFilesystemOption(context, "delegate_cmds", "any");
  assertEquals(createFilesystem(context), 0);
  const mount = mountFilesystem(context);
  assertEquals(moveMount(mount, path), 0);
  kernel.close(mount);
  kernel.close(context);
  try {
    return await use(path);
  } finally {
    using frame = native().frame();
    native().call(systemCalls.umount2, frame.text(path), MNT_DETACH);
    await Deno.remove(path);
  }
}
