/**
 * Making a token in somebody else's user namespace.
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
 * A token of a new bpffs in the user namespace, with exactly the words: a descriptor that is the caller's.
 *
 * The context is opened here, never taken from the peer: of a given one nobody can tell whose it is, what
 * has been set on it, and who else holds it. What the token allows is read back before it is given away.
 * Throws a {@linkcode KernelError} that names the step. The namespace's root can slow, stop and kill the two
 * children that this takes: that costs no more than their deadline.
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
      allowed ?? "what cannot be read"
    } instead of ${delegation}`,
    stage: "token",
  });
}

/**
 * Throws where a child in another user namespace could be traced by that namespace's root: a change of
 * credentials sets its dumpable flag to fs.suid_dumpable, and 1 makes it traceable.
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
      ? `${path} cannot be read, and with 1 in it the broker's child could be traced there`
      : `with fs.suid_dumpable=${value} the broker's child could be traced there`,
    fix: "set fs.suid_dumpable to 0 or 2",
    stage: "token",
  });
}

/** What a token that was just made here allows. */
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
