/**
 * Making a token in somebody else's user namespace.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import {
  createFilesystem,
  mountFilesystem,
  setFilesystemOption,
} from "../../kernel/process/mounts.ts";
import { createTokenIn, openFilesystemIn } from "../../kernel/process/user_namespace.ts";
import { Delegation } from "../../plan/delegation.ts";
import { O_DIRECTORY } from "../token.ts";

/** Bytes of `struct bpf_token_info`. */
const TOKEN_INFO_SIZE = 32;

/**
 * A token of a new bpffs in the user namespace, with exactly the words: a descriptor that is the caller's.
 *
 * The context is opened here, never taken from the peer: of a given one nobody can tell whose it is, what
 * has been set on it, and who else holds it. What the token allows is read back before it is given away.
 * Throws a {@linkcode KernelError} that names the step.
 */
export function issueToken(
  kernel: Kernel,
  userNamespaceFd: number,
  delegation: Delegation,
): number {
  using opened = new DisposableStack();
  const own = (fd: number, command: string): number => {
    if (fd < 0) throw refused(command, fd);
    opened.defer(() => kernel.close(fd));
    return fd;
  };
  const context = own(openFilesystemIn(kernel, userNamespaceFd), "fsopen");
  for (const { key, value } of delegation.toFsconfig()) {
    const result = setFilesystemOption(context, key, value);
    if (result < 0) throw refused("fsconfig", result);
  }
  const created = createFilesystem(context);
  if (created < 0) throw refused("fsconfig", created);
  const mount = own(mountFilesystem(context), "fsmount");
  const directory = own(
    kernel.open(".", O_DIRECTORY[kernel.machine.machine] ?? 0, mount),
    "openat",
  );
  const token = createTokenIn(kernel, userNamespaceFd, directory);
  const allowed = allowedBy(kernel, token);
  if (allowed?.equals(delegation) === true) return token;
  kernel.close(token);
  throw new KernelError({
    doing: "issue",
    subject: "a token",
    command: "BPF_TOKEN_CREATE",
    number: 1,
    why: `the kernel made a token that allows ${
      allowed ?? "what cannot be read"
    } instead of ${delegation}`,
    stage: "token",
  });
}

/** What a token that was just made here allows. */
function allowedBy(kernel: Kernel, tokenFd: number): Delegation | undefined {
  const { result, bytes } = kernel.objectInfo(tokenFd, TOKEN_INFO_SIZE);
  if (result >= 0 && bytes.length >= TOKEN_INFO_SIZE) return Delegation.fromInfo(bytes);
  const fdinfo = kernel.readFile(`/proc/self/fdinfo/${tokenFd}`, 4096);
  return fdinfo.result < 0
    ? undefined
    : Delegation.fromFdinfo(new TextDecoder().decode(fdinfo.bytes));
}

function refused(command: string, number: number): KernelError {
  return new KernelError({ doing: "issue", subject: "a token", command, number, stage: "token" });
}
