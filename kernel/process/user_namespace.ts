/**
 * User namespaces of others: their id maps, their owner, and the two calls that a broker makes in them.
 *
 * @module
 */

import { Command } from "../../uapi/enums.ts";
import { ChildProgram } from "./child_program.ts";
import { Errno } from "../../uapi/errno.ts";
import type { Kernel } from "../kernel.ts";
import type { FailedStep, NamespaceKind } from "../processes.ts";
import type { Result } from "../result.ts";
import { native } from "../linux/ffi/native.ts";
import { runSteps, startChild } from "./process.ts";
import { receiveWithin, socketPair } from "./sockets.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import {
  CLONE_NEWNS,
  CLONE_NEWUSER,
  NS_GET_OWNER_UID,
  NS_GET_PARENT,
  NS_GET_USERNS,
  PIDFD_GET_NET_NAMESPACE,
  PIDFD_GET_USER_NAMESPACE,
} from "../../uapi/processes.ts";
import { attributes, attributeSize } from "../../uapi/layouts.ts";
import { endOf, setField, viewOf } from "../../uapi/fields.ts";
import { FSOPEN_CLOEXEC } from "../../uapi/mounts.ts";

/** `include/uapi/linux/pidfd.h`: _IO(0xff, 4) and _IO(0xff, 9). */
const PIDFD_GET: { readonly [kind in NamespaceKind]: number } = {
  network: PIDFD_GET_NET_NAMESPACE,
  user: PIDFD_GET_USER_NAMESPACE,
};

/**
 * A user namespace that nobody is in, with one uid and one gid mapped: what an id-mapped mount wants.
 * A descriptor of it.
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
  program.step("close", systemCalls.close, [ours]);
  program.step("unshare the user namespace", systemCalls.unshare, [CLONE_NEWUSER]);
  program.step("write", systemCalls.write, [theirs, answer.address, 1]);
  program.step("wait", systemCalls.read, [theirs, answer.address, 8], { stopAtZero: true });
  let theirsOpen = true;
  try {
    using child = startChild(kernel, program);
    kernel.close(theirs);
    theirsOpen = false;
    const message = await receiveWithin(kernel, ours, 8);
    if (typeof message === "number" || message.bytes.length === 0) {
      return child.failure() ?? { step: "unshare the user namespace", result: -Errno.ESRCH };
    }
    return writeIdMaps(kernel, child.pid, uid, gid) ?? kernel.open(`/proc/${child.pid}/ns/user`);
  } finally {
    if (theirsOpen) kernel.close(theirs);
    kernel.poller.forget(ours);
    kernel.close(ours);
  }
}

/** Maps uid and gid 0 inside to those outside; the file that was refused, otherwise. */
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

/** ioctl(2) on a pidfd (Linux 6.11): a descriptor of a namespace of the process. */
export function namespaceOfProcess(kernel: Kernel, pidfd: number, kind: NamespaceKind): Result {
  return kernel.ioctl(pidfd, PIDFD_GET[kind]);
}

/** NS_GET_USERNS: a descriptor of the user namespace that owns a namespace. */
export function owningUserNamespace(kernel: Kernel, namespaceFd: number): Result {
  return kernel.ioctl(namespaceFd, NS_GET_USERNS);
}

/** NS_GET_PARENT: a descriptor of the user namespace above. */
export function parentNamespace(kernel: Kernel, userNamespaceFd: number): Result {
  return kernel.ioctl(userNamespaceFd, NS_GET_PARENT);
}

/** The uid that owns a user namespace, as this process's user namespace has it; or `-errno`. */
export function ownerUid(userNamespaceFd: number): Result {
  using frame = native().frame();
  const place = frame.room(8);
  const result = native().call(systemCalls.ioctl, userNamespaceFd, NS_GET_OWNER_UID, place.address);
  if (result < 0) return result;
  return new DataView(place.bytes.buffer, place.bytes.byteOffset, 8).getUint32(0, true);
}

/**
 * A context for a bpffs of another user namespace, opened from within it: a descriptor in this process.
 */
export function openFilesystemIn(
  kernel: Kernel,
  userNamespaceFd: number,
): Promise<Result | FailedStep> {
  using program = new ChildProgram();
  enter(program, userNamespaceFd);
  program.step("unshare", systemCalls.unshare, [CLONE_NEWNS]);
  // As its root, where it has one: the files of the bpffs are then of somebody that it knows.
  program.step("setresgid", systemCalls.setresgid, [0, 0, 0], { tolerate: true });
  program.step("setresuid", systemCalls.setresuid, [0, 0, 0], { tolerate: true });
  program.step("fsopen", systemCalls.fsopen, ["bpf", FSOPEN_CLOEXEC]);
  return Promise.resolve(runSteps(kernel, program));
}

/** BPF_TOKEN_CREATE from within another user namespace: a token's descriptor in this process. */
export function createTokenIn(
  kernel: Kernel,
  userNamespaceFd: number,
  directoryFd: number,
): Promise<Result | FailedStep> {
  using program = new ChildProgram();
  enter(program, userNamespaceFd);
  const { bpffs_fd } = attributes.token_create;
  const place = program.room(attributeSize);
  setField(viewOf(place.bytes), bpffs_fd, directoryFd);
  program.step("bpf", systemCalls.bpf, [Command.token_create, place.address, endOf(bpffs_fd)]);
  return Promise.resolve(runSteps(kernel, program));
}

/**
 * setns(2) into a user namespace. The child's memory is a copy of ours: by the change of credentials it
 * becomes one that nobody inside may look at, as long as fs.suid_dumpable is not 1.
 */
function enter(program: ChildProgram, userNamespaceFd: number): void {
  program.step("setns", systemCalls.setns, [userNamespaceFd, CLONE_NEWUSER]);
}
