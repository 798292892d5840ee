/**
 * Why the kernel makes no token.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import type { KernelError } from "../../errors/kernel_error.ts";
import type { Finding } from "./case.ts";
import { seccompFinding } from "./seccomp.ts";
import { DelegationError } from "./delegation_error.ts";
import { DELEGATION_OPTIONS } from "../../plan/delegation.ts";
import { bpffsMounts } from "../facts/mounts.ts";
import {
  capabilityText,
  kernelAtLeast,
  type ProcessFacts,
  processFacts,
} from "../facts/process.ts";
import { BPF_FS_MAGIC, S_IFDIR, S_IFMT } from "../../uapi/files.ts";

/** A refused creation. */
export interface RefusedCreation {
  /** The path that was to be opened. */
  readonly path?: string | undefined;
  /** The result of opening it, when that was refused. */
  readonly openResult?: number | undefined;
  /** The directory, still open. */
  readonly directoryFd?: number | undefined;
  /** What BPF_TOKEN_CREATE answered: `-errno`. */
  readonly result?: number | undefined;
}

/** Finds the cause of a refused token creation. The probes that it makes change nothing. */
export function explainTokenCreation(kernel: Kernel, refused: RefusedCreation): KernelError {
  const { path, openResult, directoryFd } = refused;
  const subject = path ?? `descriptor ${directoryFd}`;
  const doing = "create BPF token of";
  if (openResult !== undefined && openResult < 0) {
    const notDirectory = failed(openResult, Errno.ENOTDIR);
    return new DelegationError({
      doing,
      subject,
      command: "open",
      result: openResult,
      reason: "path-not-opened",
      why: notDirectory
        ? "it is not a directory"
        : failed(openResult, Errno.ENOENT)
        ? "there is no such directory"
        : "the directory cannot be opened",
      fix: "give the directory where a bpffs with delegate_* options is mounted",
    });
  }
  const { result = -Errno.EINVAL } = refused;
  const facts = processFacts(kernel);
  const evidence: string[] = [];
  const finding = seccompFinding(kernel, "BPF_TOKEN_CREATE", result, evidence) ??
    causeOfNoToken(kernel, refused, result, facts, evidence);
  return new DelegationError({
    doing,
    subject,
    command: "BPF_TOKEN_CREATE",
    result,
    evidence,
    ...finding,
  });
}

function causeOfNoToken(
  kernel: Kernel,
  refused: RefusedCreation,
  result: number,
  facts: ProcessFacts,
  evidence: string[],
): Finding {
  const { directoryFd = -1 } = refused;
  switch (-result) {
    case Errno.EBADF:
      return badDescriptor(kernel, directoryFd, evidence);
    case Errno.EINVAL:
      return invalid(kernel, refused, directoryFd, facts, evidence);
    case Errno.ENOENT:
      return nothingDelegated(kernel, refused, evidence);
    case Errno.EOPNOTSUPP:
      evidence.push(namespaceEvidence(facts));
      return initialNamespace();
    case Errno.EPERM:
      return notPermitted(kernel, directoryFd, facts, evidence);
    default:
      return { reason: "unknown", why: "the kernel does not make a token of it" };
  }
}

function badDescriptor(kernel: Kernel, fd: number, evidence: string[]): Finding {
  if (fd >= 0 && kernel.stat(fd).result >= 0) {
    evidence.push(`descriptor ${fd} is open, but as O_PATH`);
    return {
      reason: "bad-descriptor",
      why: "the descriptor was opened with O_PATH, as fsmount gives it",
      fix: 'open "." relative to it with O_DIRECTORY',
    };
  }
  evidence.push(`descriptor ${fd} is not open`);
  return { reason: "bad-descriptor", why: "the descriptor is not open" };
}

function invalid(
  kernel: Kernel,
  { path }: RefusedCreation,
  fd: number,
  facts: ProcessFacts,
  evidence: string[],
): Finding {
  // One that is closed by now would have been EBADF, so fd is open here.
  const type = kernel.filesystemType(fd);
  if (type >>> 0 !== BPF_FS_MAGIC) {
    const hex = (type >>> 0).toString(16);
    evidence.push(
      `its file system is of type 0x${hex}, a bpffs has 0x${BPF_FS_MAGIC.toString(16)}`,
    );
    return {
      reason: "not-bpffs",
      why: "it is not a BPF file system",
      fix: "give the directory where a bpffs with delegate_* options is mounted",
    };
  }
  evidence.push("it is on a bpffs");
  if ((kernel.stat(fd).mode & S_IFMT) !== S_IFDIR) {
    evidence.push("it is not a directory");
    return {
      reason: "not-root-of-mount",
      why: "it is something on the bpffs, not its root directory",
      fix: "give the directory at which the bpffs is mounted",
    };
  }
  // tokens came with the root check: a kernel that knows them and is shown a root does not say EINVAL.
  const { inode } = kernel.stat(fd);
  evidence.push(`its inode is ${inode}`);
  const isRoot = (): boolean =>
    bpffsMounts(kernel).some((mount) => mount.path === path) || isMountRoot(kernel, fd);
  if (!kernelAtLeast(facts, 6, 9) && isRoot()) {
    return tooOld(facts);
  }
  return {
    reason: "not-root-of-mount",
    why: "it is a directory within the bpffs, not its root",
    fix: "give the directory at which the bpffs is mounted",
  };
}

/** Whether `..` of a directory is on another file system, or itself: then it is a mount's root. */
function isMountRoot(kernel: Kernel, fd: number): boolean {
  const parent = kernel.open("..", 0, fd);
  if (parent < 0) return true;
  const above = kernel.stat(parent);
  const here = kernel.stat(fd);
  kernel.close(parent);
  return above.device !== here.device || above.inode === here.inode;
}

function tooOld(facts: ProcessFacts): Finding {
  return {
    reason: "kernel-too-old",
    why: `Linux ${facts.releaseText} has no BPF tokens, they came with 6.9`,
    fix: "load as root, or run a newer kernel",
  };
}

function nothingDelegated(kernel: Kernel, refused: RefusedCreation, evidence: string[]): Finding {
  const options = optionsOf(kernel, refused);
  const keys = Object.values(DELEGATION_OPTIONS).join(", ");
  if (options !== undefined) evidence.push(`its mount options are ${options}`);
  return {
    reason: "nothing-delegated",
    why: "the bpffs was mounted without delegation",
    fix: `mount it again with ${keys}: the kernel ignores mistyped options without a word, and ` +
      "remounting changes nothing",
  };
}

function optionsOf(kernel: Kernel, { path, directoryFd }: RefusedCreation): string | undefined {
  const mounts = bpffsMounts(kernel);
  const byPath = path === undefined ? undefined : mounts.find((mount) => mount.path === path);
  if (byPath !== undefined || directoryFd === undefined) return byPath?.options;
  const { result, device } = kernel.stat(directoryFd);
  if (result < 0) return undefined;
  const major = (device >> 8n & 0xfffn) | (device >> 32n & 0xfffff000n);
  const minor = (device & 0xffn) | (device >> 12n & 0xffffff00n);
  return mounts.find((mount) => mount.device === `${major}:${minor}`)?.options;
}

function initialNamespace(): Finding {
  return {
    reason: "initial-user-namespace",
    why: "this process is in the initial user namespace, where no token can be made",
    fix: "load without a token (token: false), or inside a user namespace (skep sandbox)",
  };
}

function notPermitted(
  kernel: Kernel,
  fd: number,
  facts: ProcessFacts,
  evidence: string[],
): Finding {
  evidence.push(namespaceEvidence(facts), `capabilities: ${capabilityText(facts.capabilities)}`);
  // Root of the initial namespace has rights over the file systems of all others, but makes no token of them.
  const owns = facts.initialUserNamespace === true && facts.capabilities.includes("bpf")
    ? false
    : facts.capabilities.includes("sys_admin")
    ? ownsFilesystem(kernel, fd)
    : undefined;
  if (owns === false) {
    if (facts.initialUserNamespace !== true) {
      evidence.push("reconfiguring the file system, which changes nothing, was refused");
    }
    return facts.initialUserNamespace === true
      ? {
        reason: "wrong-user-namespace",
        why: "the bpffs belongs to another user namespace than this process, the initial one",
        fix: "make the token inside the user namespace that mounted the bpffs",
      }
      : {
        reason: "wrong-user-namespace",
        why: "the bpffs belongs to another user namespace",
        fix: "mount a delegated bpffs from within this user namespace (skep sandbox does)",
      };
  }
  if (owns === true) evidence.push("the file system belongs to this user namespace");
  if (facts.effective !== undefined && !facts.capabilities.includes("bpf")) {
    return {
      reason: "capability-missing",
      why: "CAP_BPF is missing in this user namespace (CAP_SYS_ADMIN does not stand for it here)",
      fix: facts.initialUserNamespace === true
        ? "run as root of a user namespace with a delegated bpffs (skep sandbox)"
        : "keep CAP_BPF when dropping capabilities",
    };
  }
  if (owns === undefined) {
    return {
      reason: "wrong-user-namespace",
      why: "the bpffs belongs to another user namespace, or a security module forbids the token",
      fix: "mount a delegated bpffs from within this user namespace (skep sandbox does)",
    };
  }
  return {
    reason: "local-policy",
    why:
      "capabilities are right: a security module forbids the token, or the bpffs belongs to a user " +
      "namespace below this one",
    fix: "look at the audit log",
  };
}

/**
 * Whether the file system of a directory descriptor belongs to this user namespace, where this process has
 * CAP_SYS_ADMIN; undefined when that is not known.
 *
 * It asks for a reconfiguration without options, which on a bpffs changes nothing.
 */
function ownsFilesystem(kernel: Kernel, directoryFd: number): boolean | undefined {
  const { mounts } = kernel.processes;
  const context = mounts.pick(directoryFd);
  if (context < 0) return undefined;
  const result = mounts.reconfigure(context);
  kernel.close(context);
  return result === 0 ? true : failed(result, Errno.EPERM) ? false : undefined;
}

function namespaceEvidence(facts: ProcessFacts): string {
  if (facts.userNamespace === undefined) return "the user namespace is not known";
  const which = facts.initialUserNamespace === true ? "the initial one" : `uid map ${facts.uidMap}`;
  return `user namespace ${facts.userNamespace} (${which})`;
}
