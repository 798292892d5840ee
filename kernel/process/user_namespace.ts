/**
 * User namespaces of others: their id maps, their owner, and the two calls that a broker makes in them.
 *
 * @module
 */

import { ChildProgram } from "./child_program.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../kernel.ts";
import { native } from "../linux/ffi/native.ts";
import { runSteps, startChild } from "./process.ts";
import { processCalls } from "./process_calls.ts";
import { socketPair, waitForMessage } from "./sockets.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";

const CLONE_NEWNS = 0x20000;
const CLONE_NEWUSER = 0x10000000;
const BPF_TOKEN_CREATE = 36;
const NS_GET_OWNER_UID = 0xb704;

/**
 * A user namespace that nobody is in, with one uid and one gid mapped: what an id-mapped mount wants.
 * A descriptor of it; throws a {@linkcode KernelError} when there can be none.
 */
export async function ownerMap(kernel: Kernel, uid: number, gid: number): Promise<number> {
  const [ours, theirs] = socketPair();
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
    const message = await waitForMessage(kernel, ours, 8);
    if (message === undefined || message.bytes.length === 0) {
      throw new KernelError({
        doing: "make",
        subject: "a user namespace",
        command: "unshare",
        number: child.failure()?.result ?? -3,
      });
    }
    writeIdMaps(kernel, child.pid, uid, gid);
    return kernel.open(`/proc/${child.pid}/ns/user`);
  } finally {
    if (theirsOpen) kernel.close(theirs);
    kernel.poller.forget(ours);
    kernel.close(ours);
  }
}

/** Maps uid and gid 0 inside to those outside; throws a {@linkcode KernelError} that says what was refused. */
export function writeIdMaps(kernel: Kernel, pid: number, uid: number, gid: number): void {
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
    if (result < 0) {
      throw new KernelError({ doing: "write", subject: path, command: "write", number: result });
    }
  }
}

/** The uid that owns a user namespace, as this process's user namespace has it; undefined when it cannot be had. */
export function namespaceOwner(userNamespaceFd: number): number | undefined {
  using frame = native().frame();
  const place = frame.room(8);
  const result = native().call(systemCalls.ioctl, userNamespaceFd, NS_GET_OWNER_UID, place.address);
  if (result < 0) return undefined;
  return new DataView(place.bytes.buffer, place.bytes.byteOffset, 8).getUint32(0, true);
}

/**
 * A context for a bpffs of another user namespace, opened from within it: a descriptor in this process.
 * Throws a {@linkcode KernelError} when that namespace cannot be entered.
 */
export function openFilesystemIn(kernel: Kernel, userNamespaceFd: number): number {
  using program = new ChildProgram();
  enter(program, userNamespaceFd);
  program.step("unshare", systemCalls.unshare, [CLONE_NEWNS]);
  // As its root, where it has one: the files of the bpffs are then of somebody that it knows.
  program.step("setresgid", processCalls.setresgid, [0, 0, 0], { tolerate: true });
  program.step("setresuid", processCalls.setresuid, [0, 0, 0], { tolerate: true });
  program.step("fsopen", systemCalls.fsopen, ["bpf", 1]);
  return runSteps(kernel, "open", "a bpffs in the peer's user namespace", program);
}

/**
 * BPF_TOKEN_CREATE from within another user namespace: a token's descriptor in this process. Throws a
 * {@linkcode KernelError} when it is refused.
 */
export function createTokenIn(
  kernel: Kernel,
  userNamespaceFd: number,
  directoryFd: number,
): number {
  using program = new ChildProgram();
  enter(program, userNamespaceFd);
  const attributes = program.room(16);
  new DataView(attributes.bytes.buffer, attributes.bytes.byteOffset, 16)
    .setUint32(4, directoryFd, true);
  program.step("bpf", systemCalls.bpf, [BPF_TOKEN_CREATE, attributes.address, 8]);
  return runSteps(kernel, "create", "a token in the peer's user namespace", program);
}

/**
 * setns(2) into a user namespace. The child's memory is a copy of ours: by the change of credentials it
 * becomes one that nobody inside may look at, as long as fs.suid_dumpable is not 1.
 */
function enter(program: ChildProgram, userNamespaceFd: number): void {
  program.step("setns", systemCalls.setns, [userNamespaceFd, CLONE_NEWUSER]);
}
