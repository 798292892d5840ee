/**
 * A tracefs for tests on machines that have not mounted one.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import {
  createFilesystem,
  mountFilesystem,
  moveMount,
  openFilesystem,
} from "../../kernel/process/mounts.ts";
import { native } from "../../kernel/linux/ffi/native.ts";
import { tracefs } from "../../loader/attach/nearest.ts";
import { CLONE_NEWNS } from "../../uapi/processes.ts";
import { MS_PRIVATE, MS_REC } from "../../uapi/mounts.ts";
import { systemCalls } from "../../kernel/linux/ffi/syscalls.ts";

/** Why there is no tracefs, and none can be mounted; undefined when there is. */
export function whyNoTracefs(): string | undefined {
  try {
    using _tracefs = enterTracefs();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Makes sure that this thread sees a tracefs: where none is mounted, one is mounted in a mount
 * namespace of the thread's own. Disposing of it goes back.
 */
export function enterTracefs(): Disposable {
  const kernel = linuxKernel();
  if (tracefs(kernel) !== undefined) return { [Symbol.dispose](): void {} };
  const before = kernel.open("/proc/thread-self/ns/mnt");
  const unshared = before < 0 ? before : kernel.call(systemCalls.unshare, CLONE_NEWNS);
  if (unshared < 0) {
    if (before >= 0) kernel.close(before);
    throw new Error(`tracefs is not mounted, and cannot be (${unshared})`);
  }
  const back = (): void => {
    kernel.call(systemCalls.setns, before, CLONE_NEWNS);
    kernel.close(before);
  };
  try {
    {
      // Nothing of what is mounted here may show elsewhere.
      using frame = native().frame();
      native().call(systemCalls.mount, 0, frame.text("/"), 0, MS_REC | MS_PRIVATE, 0);
    }
    const context = openFilesystem("tracefs");
    const mount = context < 0 || createFilesystem(context) < 0 ? -1 : mountFilesystem(context);
    const moved = mount < 0 ? mount : moveMount(mount, "/sys/kernel/tracing");
    for (const fd of [context, mount]) if (fd >= 0) kernel.close(fd);
    if (moved < 0) throw new Error(`tracefs is not mounted, and cannot be (${moved})`);
  } catch (error) {
    back();
    throw error;
  }
  return { [Symbol.dispose]: back };
}
