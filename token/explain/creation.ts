/**
 * Explains why the kernel refuses to create a token.
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

/** A refused token creation. */
export interface RefusedCreation {
  /** The path to be opened. */
  readonly path?: string | undefined;
  /** The result of opening it, if that failed. */
  readonly openResult?: number | undefined;
  /** The open directory. */
  readonly directoryFd?: number | undefined;
  /** The result of BPF_TOKEN_CREATE: `-errno`. */
  readonly result?: number | undefined;
}

/** Returns an error with the cause of a refused token creation. Its probes change nothing. */
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
      fix: "pass the mount point of a bpffs with delegate_* options",
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
      return { reason: "unknown", why: "the kernel creates no token from it" };
  }
}

function badDescriptor(kernel: Kernel, fd: number, evidence: string[]): Finding {
  if (fd >= 0 && kernel.stat(fd).result >= 0) {
    evidence.push(`descriptor ${fd} is open, but as O_PATH`);
    return {
      reason: "bad-descriptor",
      why: "the descriptor is O_PATH, as fsmount returns it",
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
  // The kernel returns EBADF for a closed descriptor, so fd is open here.
  const type = kernel.filesystemType(fd);
  if (type >>> 0 !== BPF_FS_MAGIC) {
    const hex = (type >>> 0).toString(16);
    evidence.push(
      `its file system is of type 0x${hex}, a bpffs has 0x${BPF_FS_MAGIC.toString(16)}`,
    );
    return {
      reason: "not-bpffs",
      why: "it is not a BPF file system",
      fix: "pass the mount point of a bpffs with delegate_* options",
    };
  }
  evidence.push("it is on a bpffs");
  if ((kernel.stat(fd).mode & S_IFMT) !== S_IFDIR) {
    evidence.push("it is not a directory");
    return {
      reason: "not-root-of-mount",
      why: "it is a file on the bpffs, not its root directory",
      fix: "pass the mount point of the bpffs",
    };
  }
  // A kernel with tokens never returns EINVAL for a bpffs root.
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
    fix: "pass the mount point of the bpffs",
  };
}

/**
 * Returns whether `..` of a directory is on another file system or the directory itself: it is then the
 * root of a mount.
 */
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
    fix: `mount a new one with ${keys}: the kernel silently ignores mistyped options, and ` +
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
    why: "this process is in the initial user namespace, where no token can be created",
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
  // Root of the initial namespace has CAP_SYS_ADMIN over all file systems, but cannot create tokens from
  // those of other namespaces.
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
        why:
          "the bpffs belongs to another user namespace, while this process is in the initial one",
        fix: "create the token inside the user namespace that mounted the bpffs",
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
      why: "CAP_BPF is missing in this user namespace (CAP_SYS_ADMIN does not imply it here)",
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
      "capabilities suffice: a security module forbids the token, or the bpffs belongs to a user " +
      "namespace below this one",
    fix: "check the audit log",
  };
}

/**
 * Returns whether the file system of a directory belongs to this user namespace, in which this process has
 * CAP_SYS_ADMIN; undefined when unknown.
 *
 * Reconfigures the file system without options, which changes nothing on a bpffs.
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
  if (facts.userNamespace === undefined) return "the user namespace is unknown";
  const which = facts.initialUserNamespace === true ? "the initial one" : `uid map ${facts.uidMap}`;
  return `user namespace ${facts.userNamespace} (${which})`;
}
