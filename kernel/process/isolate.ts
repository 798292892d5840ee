/**
 * A command in namespaces of its own: unprivileged outside, root inside.
 *
 * Everything between the clone and the execve is a list of system calls (`child_program.ts`), in four
 * parts: what needs the privileges of this process (mounts that make paths visible), giving them up,
 * the new namespaces with the context of their bpffs, and, when this process has configured that, its
 * mounting and the command.
 *
 * @module
 */

import { ChildProgram, type StepResult } from "./child_program.ts";
import { sendDescriptor } from "./child_steps.ts";
import { Errno } from "../../uapi/errno.ts";
import type { Kernel } from "../kernel.ts";
import {
  type ExitStatus,
  type FailedStep,
  isFailedStep,
  type IsolatedChild,
  type IsolatedCommand,
} from "../processes.ts";
import type { Result } from "../result.ts";
import { type ChildProcess, startChild } from "./process.ts";
import { receiveMessage, receiveWithin, sendMessage, socketPair } from "./sockets.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  CLOSE_RANGE_CLOEXEC,
  F_SETFD,
  O_CLOEXEC,
  O_CREAT,
} from "../../uapi/files.ts";
import {
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_SIZE_VER0,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_NODEV,
  MS_NOSUID,
  MS_PRIVATE,
  MS_REC,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../../uapi/mounts.ts";
import {
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWUSER,
  PR_CAPBSET_DROP,
  PR_SET_DUMPABLE,
  PR_SET_PDEATHSIG,
  SIG_SETMASK,
  SIGKILL,
  SIGPIPE,
} from "../../uapi/processes.ts";
import { AF_INET, IFF_UP, SIOCSIFFLAGS, SOCK_CLOEXEC, SOCK_DGRAM } from "../../uapi/sockets.ts";

const LAST_DESCRIPTOR = 0xffffffff;
/** Capabilities that the kernel may know: more than there are today, the rest is EINVAL and tolerated. */
const CAPABILITIES = 64;

/**
 * Starts a child in new user, mount and (when asked) network namespaces and waits until it has opened
 * the context of a bpffs there.
 */
export async function startIsolated(
  kernel: Kernel,
  command: IsolatedCommand,
): Promise<IsolatedChild | FailedStep> {
  const pair = socketPair();
  if (typeof pair === "number") return { step: "socketpair", result: pair };
  const [ours, theirs] = pair;
  let child: ChildProcess | undefined;
  let kept = false;
  try {
    using program = isolationProgram(command, ours, theirs);
    const started = startChild(kernel, program);
    if (isFailedStep(started)) return started;
    child = started;
    kernel.close(theirs);
    const message = await receiveWithin(kernel, ours, 8);
    const contextFd = typeof message === "number" ? undefined : message.descriptors[0];
    if (contextFd === undefined) return failedStep(child);
    kept = true;
    return new LinuxIsolatedChild(kernel, child, ours, contextFd);
  } finally {
    if (child === undefined) kernel.close(theirs);
    if (!kept) {
      child?.[Symbol.dispose]();
      kernel.poller.forget(ours);
      kernel.close(ours);
    }
  }
}

class LinuxIsolatedChild implements IsolatedChild {
  readonly pid: number;
  readonly pidfd: number;
  readonly contextFd: number;
  readonly #kernel: Kernel;
  readonly #child: ChildProcess;
  readonly #socket: number;
  #open = true;

  constructor(kernel: Kernel, child: ChildProcess, socket: number, contextFd: number) {
    this.#kernel = kernel;
    this.#child = child;
    this.#socket = socket;
    this.pid = child.pid;
    this.pidfd = child.pidfd;
    this.contextFd = contextFd;
  }

  async run(): Promise<FailedStep | undefined> {
    sendMessage(this.#socket, new Uint8Array([1]));
    // The socket is close-on-exec: its end says that the command runs, or that the child is gone.
    await this.#kernel.poller.wait(this.#socket);
    receiveMessage(this.#socket, 8);
    this.#closeOurs();
    return this.#child.failure() === undefined ? undefined : failedStep(this.#child);
  }

  wait(): Promise<ExitStatus> {
    return this.#child.wait();
  }

  signal(number: number): Result {
    return this.#child.signal(number);
  }

  [Symbol.dispose](): void {
    this.#closeOurs();
    this.#child[Symbol.dispose]();
  }

  #closeOurs(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#kernel.poller.forget(this.#socket);
    this.#kernel.close(this.#socket);
    this.#kernel.close(this.contextFd);
  }
}

/** The step at which the child ended. */
function failedStep(child: ChildProcess): FailedStep {
  const failed = child.failure();
  if (failed === undefined) return { step: "clone3", result: -Errno.ESRCH };
  if (failed.step !== "execve") return failed;
  // Of several places in PATH, the answer where a file was found explains most.
  const found = child.outcomes().find(({ name, result }) =>
    name === "execve" && result !== undefined && result !== -Errno.ENOENT
  );
  return { step: "execve", result: found?.result ?? failed.result };
}

/** All the steps, in order. */
function isolationProgram(command: IsolatedCommand, ours: number, theirs: number): ChildProgram {
  const program = new ChildProgram();
  try {
    // With a copy of our end it would never see that we are gone.
    program.step("close", systemCalls.close, [ours]);
    makeVisible(program, command);
    dropCredentials(program, command);
    enterNamespaces(program, command, theirs);
    mountAndRun(program, command);
    return program;
  } catch (error) {
    program[Symbol.dispose]();
    throw error;
  }
}

/** With the privileges of this process: a mount namespace in which the paths can be reached. */
function makeVisible(program: ChildProgram, command: IsolatedCommand): void {
  if (command.visible.length === 0) return;
  program.step("unshare the mount namespace", systemCalls.unshare, [CLONE_NEWNS]);
  privateMounts(program);
  const trees = command.visible.map(({ path }) => {
    const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
    const tree = program.step("open_tree", systemCalls.open_tree, [AT_FDCWD, path, flags]);
    setAttributes(program, tree, AT_RECURSIVE, readOnlyAttributes(), false);
    // Not every file system can show files as another user's; then their permissions have to do.
    if (command.ownerMapFd !== undefined) {
      const attributes = { set: MOUNT_ATTR_IDMAP, userNamespaceFd: command.ownerMapFd };
      setAttributes(program, tree, 0, attributes, true);
    }
    return tree;
  });
  for (const cover of command.covers) {
    const options = program.text("mode=755,size=1m");
    program.step("cover", systemCalls.mount, [
      "skep",
      cover.path,
      "tmpfs",
      MS_NOSUID | MS_NODEV,
      options,
    ]);
    for (const path of cover.directories) {
      program.step("mkdirat", systemCalls.mkdirat, [AT_FDCWD, path, 0o755], { tolerate: true });
    }
    for (const path of cover.files) {
      program.step("openat", systemCalls.openat, [AT_FDCWD, path, O_CREAT | O_CLOEXEC, 0o644]);
    }
  }
  command.visible.forEach(({ path }, index) => {
    const tree = trees[index] as StepResult;
    program.step("make visible", systemCalls.move_mount, [
      tree,
      "",
      AT_FDCWD,
      path,
      MOVE_MOUNT_F_EMPTY_PATH,
    ]);
  });
}

function readOnlyAttributes(): { set: number; userNamespaceFd: number } {
  return { set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, userNamespaceFd: 0 };
}

function setAttributes(
  program: ChildProgram,
  tree: StepResult,
  flags: number,
  attributes: { readonly set: number; readonly userNamespaceFd: number },
  tolerate: boolean,
): void {
  const place = program.room(MOUNT_ATTR_SIZE_VER0);
  const view = new DataView(place.bytes.buffer, place.bytes.byteOffset, MOUNT_ATTR_SIZE_VER0);
  view.setBigUint64(0, BigInt(attributes.set), true);
  view.setBigUint64(24, BigInt(attributes.userNamespaceFd), true);
  program.step("mount_setattr", systemCalls.mount_setattr, [
    tree,
    "",
    AT_EMPTY_PATH | flags,
    place.address,
    MOUNT_ATTR_SIZE_VER0,
  ], { tolerate });
}

/** From here on the child has the credentials of the user, and no capability. */
function dropCredentials(program: ChildProgram, command: IsolatedCommand): void {
  const { uid, gid } = command;
  program.step("setgroups", systemCalls.setgroups, [0, 0]);
  program.step("setresgid", systemCalls.setresgid, [gid, gid, gid]);
  program.step("setresuid", systemCalls.setresuid, [uid, uid, uid]);
  // Until execve its memory is a copy of ours: nobody of that uid may look at it, even with fs.suid_dumpable=1.
  program.step("prctl", systemCalls.prctl, [PR_SET_DUMPABLE, 0, 0, 0, 0]);
}

/** The namespaces, and the context that this process configures. */
function enterNamespaces(program: ChildProgram, command: IsolatedCommand, socket: number): void {
  program.step("unshare the user namespace", systemCalls.unshare, [CLONE_NEWUSER]);
  const rest = CLONE_NEWNS | (command.newNetwork ? CLONE_NEWNET : 0);
  program.step("unshare", systemCalls.unshare, [rest]);
  privateMounts(program);
  const context = program.step("fsopen", systemCalls.fsopen, ["bpf", 1]);
  sendDescriptor(program, socket, context);
  const answer = program.room(8);
  // The other side writes the id maps and configures the context meanwhile.
  program.step("wait", systemCalls.read, [socket, answer.address, 8], { stopAtZero: true });
  const mount = program.step("fsmount", systemCalls.fsmount, [context, 1, 0]);
  program.step("move_mount", systemCalls.move_mount, [
    mount,
    "",
    AT_FDCWD,
    command.mountAt,
    MOVE_MOUNT_F_EMPTY_PATH,
  ]);
  if (command.newNetwork) loopbackUp(program);
}

function loopbackUp(program: ChildProgram): void {
  const request = program.room(40);
  request.bytes.set(new TextEncoder().encode("lo"));
  request.bytes[16] = IFF_UP;
  const socket = program.step("socket", systemCalls.socket, [
    AF_INET,
    SOCK_DGRAM | SOCK_CLOEXEC,
    0,
  ]);
  program.step("ioctl", systemCalls.ioctl, [socket, SIOCSIFFLAGS, request.address]);
}

/** Descriptors, signals, capabilities, and the command itself. */
function mountAndRun(program: ChildProgram, command: IsolatedCommand): void {
  if (command.directory !== undefined) {
    program.step("chdir", systemCalls.chdir, [command.directory], { tolerate: true });
  }
  command.standard.forEach((fd, target) => {
    if (fd !== undefined) program.step("dup3", systemCalls.dup3, [fd, target, 0]);
  });
  program.step("close_range", systemCalls.close_range, [3, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC]);
  for (const fd of command.descriptors) {
    program.step("fcntl", systemCalls.fcntl, [fd, F_SETFD, 0]);
  }
  if (command.capabilities !== undefined) {
    for (let number = 0; number < CAPABILITIES; number++) {
      if (command.capabilities.includes(number)) continue;
      program.step("prctl", systemCalls.prctl, [PR_CAPBSET_DROP, number, 0, 0, 0], {
        tolerate: true,
      });
    }
  }
  // The runtime ignores SIGPIPE, which execve would hand on.
  const action = program.room(32);
  program.step("rt_sigaction", systemCalls.rt_sigaction, [SIGPIPE, action.address, 0, 8]);
  program.step("prctl", systemCalls.prctl, [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  const mask = program.room(8);
  program.step("rt_sigprocmask", systemCalls.rt_sigprocmask, [SIG_SETMASK, mask.address, 0, 8]);
  const argv = program.texts(command.arguments);
  const environment = program.texts(command.environment);
  command.executables.forEach((path, index) => {
    const tolerate = index < command.executables.length - 1;
    program.step("execve", systemCalls.execve, [path, argv, environment], { tolerate });
  });
}

function privateMounts(program: ChildProgram): void {
  program.step("make mounts private", systemCalls.mount, ["none", "/", 0, MS_REC | MS_PRIVATE, 0]);
}
