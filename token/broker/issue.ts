/**
 * Creates a token in the user namespace of another process.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type FailedStep, type InsideOptions, isFailedStep } from "../../kernel/processes.ts";
import { readText } from "../facts/process.ts";
import { Delegation } from "../../plan/delegation.ts";
import { numbersOf } from "../../uapi/architecture.ts";
import { structs, structSizes } from "../../uapi/layouts.ts";
import { endOf } from "../../uapi/fields.ts";
import { Errno } from "../../uapi/errno.ts";

/**
 * Creates a bpffs in a user namespace with exactly the given delegation, and a token from it; the
 * caller owns the descriptor.
 *
 * The file system context is opened here and never taken from the peer: the owner, options and
 * other holders of a received one cannot be checked. The token's masks are read back before it is
 * returned.
 *
 * Two child processes enter the user namespace, where its root can slow, stop and kill them; that
 * costs no more than their deadline.
 *
 * @throws {KernelError} with the step that failed.
 */
export async function issueToken(
  kernel: Kernel,
  userNamespaceFd: number,
  delegation: Delegation,
  options: InsideOptions = {},
): Promise<number> {
  mayEnterNamespaces(kernel);
  const { mounts, namespaces } = kernel.processes;
  using opened = new DisposableStack();
  const own = (fd: number | FailedStep, command: string): number => {
    if (isFailedStep(fd)) throw refused(fd.step, fd.result);
    if (fd < 0) throw refused(command, fd);
    opened.defer(() => kernel.close(fd));
    return fd;
  };
  const context = own(await namespaces.openFilesystemIn(userNamespaceFd, options), "fsopen");
  for (const { key, value } of delegation.toFsconfig()) {
    const result = mounts.setOption(context, key, value);
    if (result < 0) throw refused("fsconfig", result);
  }
  const created = mounts.create(context);
  if (created < 0) throw refused("fsconfig", created);
  const mount = own(mounts.mount(context), "fsmount");
  const directory = own(
    kernel.open(".", numbersOf(kernel.machine.machine).O_DIRECTORY, mount),
    "openat",
  );
  const token = await namespaces.createTokenIn(userNamespaceFd, directory, options);
  if (isFailedStep(token)) throw refused(token.step, token.result);
  const allowed = allowedBy(kernel, token);
  if (allowed?.equals(delegation) === true) return token;
  kernel.close(token);
  throw new KernelError({
    doing: "issue",
    subject: "a token",
    command: "BPF_TOKEN_CREATE",
    result: -Errno.EPERM,
    why: `the kernel made a token that allows ${
      allowed ?? "unreadable masks"
    } instead of ${delegation}`,
    stage: "token",
  });
}

/**
 * Refuses a machine where root of another user namespace could trace the child that enters it: a
 * change of credentials sets the dumpable flag to fs.suid_dumpable, and 1 allows tracing.
 */
export function mayEnterNamespaces(kernel: Kernel): void {
  const path = "/proc/sys/fs/suid_dumpable";
  const value = readText(kernel, path)?.trim();
  if (value === "0" || value === "2") return;
  throw new KernelError({
    doing: "enter",
    subject: "another user namespace",
    command: "setns",
    result: -Errno.EPERM,
    why: value === undefined
      ? `${path} is unreadable; if it is 1, the broker's child can be traced there`
      : `with fs.suid_dumpable=${value} the broker's child can be traced there`,
    fix: "set fs.suid_dumpable to 0 or 2",
    stage: "token",
  });
}

/** Returns what a token created by this process allows. */
function allowedBy(kernel: Kernel, tokenFd: number): Delegation | undefined {
  const { result, bytes } = kernel.objectInfo(tokenFd, structSizes.bpf_token_info);
  if (result >= 0 && bytes.length >= endOf(structs.bpf_token_info.allowed_attachs)) {
    return Delegation.fromInfo(bytes);
  }
  const fdinfo = kernel.readFile(`/proc/self/fdinfo/${tokenFd}`, 4096);
  return fdinfo.result < 0
    ? undefined
    : Delegation.fromFdinfo(new TextDecoder().decode(fdinfo.bytes));
}

function refused(command: string, result: number): KernelError {
  return new KernelError({ doing: "issue", subject: "a token", command, result, stage: "token" });
}
