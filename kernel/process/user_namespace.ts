/**
 * User namespaces of other processes: id maps, owners, and the two calls that a broker makes inside them.
 *
 * @module
 */

import { ChildProgram, type StepResult } from "./child_program.ts";
import {
  closeAllBut,
  guard,
  keepCapabilities,
  sendDescriptor,
  setNoNewPrivileges,
} from "./child_steps.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import type { Kernel } from "../kernel.ts";
import {
  type FailedStep,
  type InsideOptions,
  isFailedStep,
  type Message,
  type NamespaceKind,
} from "../processes.ts";
import type { Result } from "../result.ts";
import { native } from "../linux/ffi/native.ts";
import { type ChildProcess, startChild } from "./process.ts";
import { receiveWithin, socketPair } from "./sockets.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import { Command } from "../../uapi/enums.ts";
import { AT_FDCWD } from "../../uapi/files.ts";
import {
  FSCONFIG_CMD_CREATE,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MNT_DETACH,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_PRIVATE,
  MS_REC,
} from "../../uapi/mounts.ts";
import {
  CAP_BPF,
  CAP_SYS_ADMIN,
  CLONE_NEWNS,
  CLONE_NEWUSER,
  NS_GET_ID,
  NS_GET_OWNER_UID,
  NS_GET_PARENT,
  NS_GET_USERNS,
  PIDFD_GET_NET_NAMESPACE,
  PIDFD_GET_USER_NAMESPACE,
} from "../../uapi/processes.ts";
import { attributes } from "../../uapi/layouts.ts";
import { endOf, setField, viewOf } from "../../uapi/fields.ts";

const PIDFD_GET: { readonly [kind in NamespaceKind]: number } = {
  network: PIDFD_GET_NET_NAMESPACE,
  user: PIDFD_GET_USER_NAMESPACE,
};
/** Milliseconds that a child gets for its calls, which take less than one. */
const DEADLINE = 2000;
/** Milliseconds between checks whether the child was stopped. */
const LOOK = 50;

/**
 * Returns a descriptor of an otherwise empty user namespace with one uid and one gid mapped, for an
 * idmapped mount.
 */
export async function ownerMap(
  kernel: Kernel,
  uid: number,
  gid: number,
): Promise<Result | FailedStep> {
  const pair = socketPair();
  if (typeof pair === "number") return { step: "socketpair", result: pair };
  const [ours, theirs] = pair;
  using program = new ChildProgram();
  const answer = program.room(8);
  closeAllBut(program, [theirs]);
  guard(program);
  program.step("unshare the user namespace", systemCalls.unshare, [CLONE_NEWUSER]);
  program.step("write", systemCalls.write, [theirs, answer.address, 1]);
  program.step("wait", systemCalls.read, [theirs, answer.address, 8], { stopAtZero: true });
  try {
    const child = startChild(kernel, program);
    kernel.close(theirs);
    if (isFailedStep(child)) return child;
    using started = child;
    const message = await receiveWithin(kernel, ours, 8, DEADLINE);
    if (typeof message === "number" || message.bytes.length === 0) {
      return started.stuckAt(typeof message === "number" ? message : -Errno.ESRCH);
    }
    return writeIdMaps(kernel, started.pid, uid, gid) ??
      kernel.open(`/proc/${started.pid}/ns/user`);
  } finally {
    kernel.poller.forget(ours);
    kernel.close(ours);
  }
}

/** Maps uid and gid 0 inside to `uid` and `gid` outside; returns the file whose write was refused. */
export function writeIdMaps(
  kernel: Kernel,
  pid: number,
  uid: number,
  gid: number,
): FailedStep | undefined {
  const files: readonly (readonly [string, string])[] = [
    ["setgroups", "deny"],
    ["uid_map", `0 ${uid} 1\n`],
    ["gid_map", `0 ${gid} 1\n`],
  ];
  for (const [name, text] of files) {
    const path = `/proc/${pid}/${name}`;
    const fd = kernel.open(path, 1);
    const result = fd < 0 ? fd : kernel.write(fd, new TextEncoder().encode(text));
    if (fd >= 0) kernel.close(fd);
    if (result < 0) return { step: `write ${path}`, result };
  }
  return undefined;
}

/** ioctl(2) on a pidfd (Linux 6.11): returns a descriptor of a namespace of the process. */
export function namespaceOfProcess(kernel: Kernel, pidfd: number, kind: NamespaceKind): Result {
  return kernel.ioctl(pidfd, PIDFD_GET[kind]);
}

/** NS_GET_USERNS: returns a descriptor of the user namespace that owns a namespace. */
export function owningUserNamespace(kernel: Kernel, namespaceFd: number): Result {
  return kernel.ioctl(namespaceFd, NS_GET_USERNS);
}

/** NS_GET_PARENT: returns a descriptor of the parent user namespace. */
export function parentNamespace(kernel: Kernel, userNamespaceFd: number): Result {
  return kernel.ioctl(userNamespaceFd, NS_GET_PARENT);
}

/** NS_GET_ID (Linux 6.18): returns an id that no other namespace has, or `-errno`. */
export function namespaceId(namespaceFd: number): Result {
  using frame = native().frame();
  const place = frame.room(8);
  const result = native().call(systemCalls.ioctl, namespaceFd, NS_GET_ID, place.address);
  if (result < 0) return result;
  return Number(
    new DataView(place.bytes.buffer, place.bytes.byteOffset, 8).getBigUint64(0, true),
  );
}

/** Returns the uid that owns a user namespace, mapped into this process's user namespace; or `-errno`. */
export function ownerUid(userNamespaceFd: number): Result {
  using frame = native().frame();
  const place = frame.room(8);
  const result = native().call(systemCalls.ioctl, userNamespaceFd, NS_GET_OWNER_UID, place.address);
  if (result < 0) return result;
  return new DataView(place.bytes.buffer, place.bytes.byteOffset, 8).getUint32(0, true);
}

/** Opens a context for a bpffs inside another user namespace and returns its descriptor in this process. */
export function openFilesystemIn(
  kernel: Kernel,
  userNamespaceFd: number,
  options: InsideOptions = {},
): Promise<Result | FailedStep> {
  return descriptorFromInside(kernel, userNamespaceFd, [], options, {
    outside: leaveAllMounts,
    capability: CAP_SYS_ADMIN,
    inside(program): StepResult {
      // fsopen(2) also requires CAP_SYS_ADMIN over the mount namespace, so it must be owned by that user
      // namespace.
      program.step("unshare the mount namespace", systemCalls.unshare, [CLONE_NEWNS]);
      return program.step("fsopen", systemCalls.fsopen, ["bpf", FSOPEN_CLOEXEC]);
    },
  });
}

/**
 * Calls BPF_TOKEN_CREATE inside another user namespace and returns the token's descriptor in this process.
 */
export function createTokenIn(
  kernel: Kernel,
  userNamespaceFd: number,
  directoryFd: number,
  options: InsideOptions = {},
): Promise<Result | FailedStep> {
  return descriptorFromInside(kernel, userNamespaceFd, [directoryFd], options, {
    outside(): void {},
    capability: CAP_BPF,
    inside(program): StepResult {
      const { bpffs_fd } = attributes.token_create;
      const place = program.room(endOf(bpffs_fd));
      setField(viewOf(place.bytes), bpffs_fd, directoryFd);
      const words = [Command.token_create, place.address, endOf(bpffs_fd)];
      return program.step("bpf", systemCalls.bpf, words);
    },
  });
}

/** The steps of a child that enters a user namespace. */
interface Inside {
  /** Steps before it enters, with CAP_SYS_ADMIN in this process's user namespace. */
  readonly outside: (program: ChildProgram) => void;
  /** The only capability that it keeps in the other user namespace. */
  readonly capability: number;
  /** Steps after it has entered; the result of the last one is the descriptor. */
  readonly inside: (program: ChildProgram) => StepResult;
}

/**
 * Runs a child in a user namespace whose root is hostile, and receives the descriptor that it sends.
 *
 * A multithreaded process cannot enter a user namespace, so a child does; the namespace's root has all
 * capabilities over that child. setns(2) does not protect it: the change of credentials makes a process
 * undumpable only when its capabilities grow (commit_creds(), cred_cap_issubset()), and they do not where
 * this process's uid owns the namespace. So the child makes itself undumpable before it enters. Tracing it,
 * reading its memory or taking its descriptors then requires CAP_SYS_PTRACE in the user namespace of its
 * mm, which is this process's. It does so again afterwards, since a change of credentials sets dumpable to
 * fs.suid_dumpable.
 *
 * The root can still send signals and take resources. So the child has a deadline, after which it is killed
 * through its pidfd, and holds only the descriptors that it needs. If it is taken over nevertheless, it has
 * one capability in that namespace and a copy of this process's memory.
 */
async function descriptorFromInside(
  kernel: Kernel,
  userNamespaceFd: number,
  kept: readonly number[],
  options: InsideOptions,
  { outside, capability, inside }: Inside,
): Promise<Result | FailedStep> {
  const pair = socketPair();
  if (typeof pair === "number") return { step: "socketpair", result: pair };
  const [ours, theirs] = pair;
  using program = new ChildProgram();
  closeAllBut(program, [theirs, userNamespaceFd, ...kept]);
  guard(program);
  setNoNewPrivileges(program);
  keepCapabilities(program, [CAP_SYS_ADMIN]);
  outside(program);
  program.step("setns", systemCalls.setns, [userNamespaceFd, CLONE_NEWUSER]);
  guard(program);
  keepCapabilities(program, [capability]);
  const result = inside(program);
  keepCapabilities(program, []);
  sendDescriptor(program, theirs, result);
  const { timeout = DEADLINE, signal } = options;
  const abort = (): void => kernel.poller.forget(ours);
  try {
    const child = startChild(kernel, program);
    kernel.close(theirs);
    if (isFailedStep(child)) return child;
    try {
      signal?.addEventListener("abort", abort);
      const message = await answerOf(
        child,
        timeout,
        signal,
        (wait) => receiveWithin(kernel, ours, 8, wait),
      );
      if (typeof message === "number") return child.stuckAt(message);
      const [fd, ...others] = message.descriptors;
      for (const other of others) kernel.close(other);
      if (fd !== undefined) return fd;
      // Without a free descriptor number the kernel drops the descriptor (MSG_CTRUNC).
      if (message.truncated) return { step: "recvmsg", result: -Errno.EMFILE };
      return child.stuckAt(-Errno.ESRCH);
    } finally {
      signal?.removeEventListener("abort", abort);
      await child.end();
    }
  } finally {
    kernel.poller.forget(ours);
    kernel.close(ours);
  }
}

/** Waits for a child's message; stops early when the child was stopped or the wait was aborted. */
async function answerOf(
  child: ChildProcess,
  timeout: number,
  signal: AbortSignal | undefined,
  receive: (timeout: number) => Promise<Message | Result>,
): Promise<Message | Result> {
  const end = performance.now() + timeout;
  for (;;) {
    const left = end - performance.now();
    if (signal?.aborted === true) return -Errno.ECANCELED;
    if (left <= 0) return -Errno.ETIMEDOUT;
    const message = await receive(Math.min(left, LOOK));
    if (!failed(message, Errno.ETIMEDOUT)) return message;
    if (child.hasStopped()) return -Errno.ESRCH;
  }
}

/**
 * Leaves the child an empty root file system and no other mounts.
 *
 * Its next mount namespace is owned by the other user namespace, whose root can find it (NS_MNT_GET_NEXT)
 * and enter it while the child lives or is stopped: with a copy of this process's mounts, a container would
 * see the whole machine.
 */
function leaveAllMounts(program: ChildProgram): void {
  program.step("unshare", systemCalls.unshare, [CLONE_NEWNS]);
  // Otherwise the unmounts would propagate to the parent's mounts.
  program.step("make mounts private", systemCalls.mount, ["none", "/", 0, MS_REC | MS_PRIVATE, 0]);
  const context = program.step("fsopen", systemCalls.fsopen, ["tmpfs", FSOPEN_CLOEXEC]);
  program.step("fsconfig", systemCalls.fsconfig, [context, FSCONFIG_CMD_CREATE, 0, 0, 0]);
  const mount = program.step("fsmount", systemCalls.fsmount, [
    context,
    FSMOUNT_CLOEXEC,
    MOUNT_ATTR_RDONLY,
  ]);
  program.step("move_mount", systemCalls.move_mount, [
    mount,
    "",
    AT_FDCWD,
    "/",
    MOVE_MOUNT_F_EMPTY_PATH,
  ]);
  program.step("fchdir", systemCalls.fchdir, [mount]);
  program.step("pivot_root", systemCalls.pivot_root, [".", "."]);
  program.step("umount2", systemCalls.umount2, [".", MNT_DETACH]);
  program.step("close", systemCalls.close, [mount]);
  program.step("close", systemCalls.close, [context]);
}
