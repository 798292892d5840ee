/**
 * Runs a command in new namespaces: unprivileged outside, root inside.
 *
 * Two processes are created. The first is the init of a new pid namespace: it prepares everything, clones
 * the command, waits for it, and ends, which kills every process the command has left. Between its clone
 * and the command's execve there are only system calls (`child_program.ts`), in this order:
 *
 * 1. With the privileges of this process: a mount namespace, with the visible paths and a /proc of the pid
 *   namespace.
 * 2. Undumpable, then a new user namespace. It is owned by this process's uid: a process outside that has
 *   the mapped uid cannot enter it.
 * 3. The credentials of the mapped user; then undumpable and bound to this process's life again, since a
 *   change of credentials resets both.
 * 4. Mount and network namespaces, and the context of a bpffs, which this process configures.
 * 5. The clone: init drops its descriptors and capabilities and waits; the clone executes the command.
 *
 * @module
 */

import { ChildProgram, type SharedWord, type StepResult } from "./child_program.ts";
import {
  descriptorMessage,
  guard,
  keepCapabilities,
  sendDescriptor,
  setNoNewPrivileges,
} from "./child_steps.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import type { Kernel } from "../kernel.ts";
import {
  type Cover,
  type ExitStatus,
  type FailedStep,
  isFailedStep,
  type IsolatedChild,
  type IsolatedCommand,
} from "../processes.ts";
import type { Result } from "../result.ts";
import { type ChildProcess, signalProcess, startChild } from "./process.ts";
import { receiveWithin, sendMessage, socketPair } from "./sockets.ts";
import { writeIdMaps } from "./user_namespace.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import { TIOCSCTTY } from "../../uapi/terminals.ts";
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
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_SIZE_VER0,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_REC,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../../uapi/mounts.ts";
import {
  __WALL,
  type _LINUX_CAPABILITY_VERSION_3,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWUSER,
  KEYCTL_JOIN_SESSION_KEYRING,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAPBSET_DROP,
  SIG_SETMASK,
  SIGKILL,
  SIGPIPE,
} from "../../uapi/processes.ts";
import { AF_INET, IFF_UP, SIOCSIFFLAGS, SOCK_CLOEXEC, SOCK_DGRAM } from "../../uapi/sockets.ts";
import { setField, viewOf } from "../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../uapi/system_layouts.ts";

/**
 * More capabilities than any kernel has; PR_CAPBSET_DROP returns EINVAL for the others, which is tolerated.
 */
const CAPABILITIES = 64;
const EVERY_DESCRIPTOR = 0xffffffff;
/** The environment variable with the command's pid outside, which BPF programs see. */
const PID_VARIABLE = "SKEP_SANDBOX_PID";
const PID_DIGITS = 10;

/**
 * Starts the init of a new pid namespace and waits until it has opened the context of a bpffs in its new
 * user and mount namespaces. Writes the id maps meanwhile.
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
    using program = new ChildProgram();
    const status = program.shared();
    addSteps(program, command, ours, theirs, status);
    const started = startChild(kernel, program, {
      newPidNamespace: true,
      cgroupFd: command.cgroupFd,
    });
    if (isFailedStep(started)) return started;
    child = started;
    kernel.close(theirs);
    const entered = await receiveWithin(kernel, ours, 8);
    if (typeof entered === "number" || entered.bytes.length === 0) return failedStep(child);
    // Without a session keyring of its own the command would share the caller's: only kernels that have no
    // keyrings, or do not give them to anybody here, may go on.
    const keyring = child.outcomes().find(({ name }) => name === "keyctl")?.result ?? 0;
    if (keyring < 0 && !failed(keyring, Errno.ENOSYS, Errno.EPERM)) {
      return { step: "keyctl", result: keyring };
    }
    const unmapped = writeIdMaps(kernel, child.pid, command.uid, command.gid);
    if (unmapped !== undefined) return unmapped;
    sendMessage(ours, GO);
    const message = await receiveWithin(kernel, ours, 8);
    const contextFd = typeof message === "number" ? undefined : message.descriptors[0];
    if (contextFd === undefined) return failedStep(child);
    kept = true;
    return new LinuxIsolatedChild(kernel, child, ours, contextFd, status);
  } finally {
    if (child === undefined) kernel.close(theirs);
    if (!kept) {
      child?.[Symbol.dispose]();
      kernel.poller.forget(ours);
      kernel.close(ours);
    }
  }
}

/** The message that init waits for. */
const GO = new Uint8Array([1]);

class LinuxIsolatedChild implements IsolatedChild {
  readonly pid: number;
  readonly pidfd: number;
  readonly contextFd: number;
  readonly #kernel: Kernel;
  readonly #init: ChildProcess;
  readonly #socket: number;
  readonly #status: SharedWord;
  /** The pidfd of the command. */
  #command: number | undefined;
  #open = true;

  constructor(
    kernel: Kernel,
    init: ChildProcess,
    socket: number,
    contextFd: number,
    status: SharedWord,
  ) {
    this.#kernel = kernel;
    this.#init = init;
    this.#socket = socket;
    this.#status = status;
    this.contextFd = contextFd;
    this.pid = init.pid;
    this.pidfd = init.pidfd;
  }

  async run(): Promise<number | FailedStep> {
    sendMessage(this.#socket, GO);
    const message = await receiveWithin(this.#kernel, this.#socket, 8);
    const pidfd = typeof message === "number" ? undefined : message.descriptors[0];
    this.#command = pidfd;
    const pid = pidfd === undefined ? 0 : pidOf(this.#kernel, pidfd);
    if (pidfd !== undefined) sendMessage(this.#socket, new TextEncoder().encode(`${pid}`));
    // The command's copy of the socket is close-on-exec: end of file means that the command runs or has
    // ended.
    if (pidfd !== undefined) await receiveWithin(this.#kernel, this.#socket, 8);
    this.#closeOurs();
    return pidfd === undefined || this.#init.failure() !== undefined ? failedStep(this.#init) : pid;
  }

  async wait(): Promise<ExitStatus> {
    const ended = await this.#init.wait();
    // Init was killed, or failed before it could wait for the command.
    if (ended.code !== 0) return ended;
    const status = Number(this.#init.sharedWord(this.#status)) & 0xffff;
    const signal = status & 0x7f;
    return signal === 0 ? { code: status >> 8, signal } : { code: 128 + signal, signal };
  }

  signal(number: number): Result {
    if (this.#command === undefined) return this.#init.signal(number);
    return signalProcess(this.#command, number);
  }

  kill(): Result {
    return this.#init.signal(SIGKILL);
  }

  [Symbol.dispose](): void {
    this.#closeOurs();
    if (this.#command !== undefined) {
      this.#kernel.close(this.#command);
      this.#command = undefined;
    }
    this.#init[Symbol.dispose]();
  }

  #closeOurs(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#kernel.poller.forget(this.#socket);
    this.#kernel.close(this.#socket);
    this.#kernel.close(this.contextFd);
  }
}

/** Returns the pid of a process in this process's pid namespace; 0 when it was reaped. */
function pidOf(kernel: Kernel, pidfd: number): number {
  const { result, bytes } = kernel.readFile(`/proc/self/fdinfo/${pidfd}`, 4096);
  const text = result < 0 ? "" : new TextDecoder().decode(bytes);
  return Math.max(0, Number(/^Pid:\s*(-?\d+)/m.exec(text)?.[1] ?? 0));
}

/** Returns the step at which the child ended. */
function failedStep(child: ChildProcess): FailedStep {
  const last = child.failure();
  if (last === undefined) return { step: "clone3", result: -Errno.ESRCH };
  if (last.step !== "execve") return last;
  // Of several paths from PATH, the errno of one that exists explains most.
  const found = child.outcomes().find(({ name, result }) =>
    name === "execve" && result !== undefined && !failed(result, Errno.ENOENT)
  );
  return { step: "execve", result: found?.result ?? last.result };
}

/** Appends all steps, in order. */
function addSteps(
  program: ChildProgram,
  command: IsolatedCommand,
  ours: number,
  theirs: number,
  status: SharedWord,
): void {
  // With a copy of this end, the child would not see that this process ended.
  program.step("close", systemCalls.close, [ours]);
  program.step("keyctl", systemCalls.keyctl, [KEYCTL_JOIN_SESSION_KEYRING, 0], { tolerate: true });
  program.step("setgroups", systemCalls.setgroups, [0, 0]);
  program.step("unshare the mount namespace", systemCalls.unshare, [CLONE_NEWNS]);
  privateMounts(program);
  makeVisible(program, command);
  const procFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  program.step("mount /proc", systemCalls.mount, ["proc", "/proc", "proc", procFlags, 0]);
  enterUserNamespace(program, theirs);
  openBpffs(program, command, theirs);
  forkCommand(program, theirs, status);
  runCommand(program, command, theirs);
}

/** Shows paths that the user cannot reach, with the privileges of this process. */
function makeVisible(program: ChildProgram, command: IsolatedCommand): void {
  const trees = command.visible.map(({ path }) => {
    const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
    const tree = program.step("open_tree", systemCalls.open_tree, [AT_FDCWD, path, flags]);
    setAttributes(program, tree, AT_RECURSIVE, readOnlyAttributes(), false);
    // Some file systems do not support idmapped mounts; their permissions then apply unchanged.
    if (command.ownerMapFd !== undefined) {
      const attributes = { set: MOUNT_ATTR_IDMAP, userNamespaceFd: command.ownerMapFd };
      setAttributes(program, tree, 0, attributes, true);
    }
    return tree;
  });
  for (const cover of command.covers) addCover(program, cover);
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

/** Mounts a tmpfs over a directory, and creates in it the mount points and links of the visible paths. */
function addCover(program: ChildProgram, cover: Cover): void {
  const { owner } = cover;
  const options = owner === undefined
    ? "mode=755,size=1m"
    : `mode=700,uid=${owner.uid},gid=${owner.gid}`;
  const flags = MS_NOSUID | MS_NODEV;
  program.step("cover", systemCalls.mount, [
    "skep",
    cover.path,
    "tmpfs",
    flags,
    program.text(options),
  ]);
  for (const path of cover.directories) {
    program.step("mkdirat", systemCalls.mkdirat, [AT_FDCWD, path, 0o755], { tolerate: true });
    if (owner === undefined) continue;
    program.step("fchownat", systemCalls.fchownat, [AT_FDCWD, path, owner.uid, owner.gid, 0]);
  }
  for (const { path, target } of cover.links) {
    program.step("symlinkat", systemCalls.symlinkat, [target, AT_FDCWD, path], { tolerate: true });
  }
  for (const path of cover.files) {
    program.step("openat", systemCalls.openat, [AT_FDCWD, path, O_CREAT | O_CLOEXEC, 0o644]);
  }
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
  const view = viewOf(place.bytes);
  setField(view, systemStructs.mount_attr.attr_set, attributes.set);
  setField(view, systemStructs.mount_attr.userns_fd, attributes.userNamespaceFd);
  program.step("mount_setattr", systemCalls.mount_setattr, [
    tree,
    "",
    AT_EMPTY_PATH | flags,
    place.address,
    MOUNT_ATTR_SIZE_VER0,
  ], { tolerate });
}

/**
 * Enters a user namespace owned by this process's user, and takes the credentials of the mapped user in it.
 */
function enterUserNamespace(program: ChildProgram, socket: number): void {
  // The child's memory is a copy of this process's; it must be undumpable before the namespace has a
  // process.
  guard(program);
  program.step("unshare the user namespace", systemCalls.unshare, [CLONE_NEWUSER]);
  const answer = program.room(8);
  program.step("write", systemCalls.write, [socket, answer.address, 1]);
  program.step("wait", systemCalls.read, [socket, answer.address, 8], { stopAtZero: true });
  program.step("setresgid", systemCalls.setresgid, [0, 0, 0]);
  program.step("setresuid", systemCalls.setresuid, [0, 0, 0]);
  guard(program);
  setNoNewPrivileges(program);
}

/**
 * Creates the other namespaces and mounts the bpffs that this process configures. This process answers only
 * what was sent after the death signal was set: if it ends before, the read returns end of file.
 */
function openBpffs(program: ChildProgram, command: IsolatedCommand, socket: number): void {
  const rest = CLONE_NEWNS | (command.newNetwork ? CLONE_NEWNET : 0);
  program.step("unshare", systemCalls.unshare, [rest]);
  privateMounts(program);
  const context = program.step("fsopen", systemCalls.fsopen, ["bpf", FSOPEN_CLOEXEC]);
  sendDescriptor(program, socket, context);
  const answer = program.room(8);
  program.step("wait", systemCalls.read, [socket, answer.address, 8], { stopAtZero: true });
  const mount = program.step("fsmount", systemCalls.fsmount, [context, FSMOUNT_CLOEXEC, 0]);
  program.step("move_mount", systemCalls.move_mount, [
    mount,
    "",
    AT_FDCWD,
    command.mountAt,
    MOVE_MOUNT_F_EMPTY_PATH,
  ]);
  if (command.newNetwork) loopbackUp(program);
}

/** Clones the command; the steps given to `fork` are made by init only. */
function forkCommand(
  program: ChildProgram,
  socket: number,
  status: SharedWord,
): void {
  // Prepared before the clone, which writes the descriptor into it.
  const message = descriptorMessage(program, socket);
  program.fork("clone3 the command", message.descriptorAt, (pid) => {
    message.send();
    program.step("close_range", systemCalls.close_range, [0, EVERY_DESCRIPTOR, 0]);
    keepCapabilities(program, []);
    program.step("wait4", systemCalls.wait4, [-1, status.address, __WALL, 0], { repeatUntil: pid });
    program.step("exit_group", systemCalls.exit_group, [0]);
  });
}

function loopbackUp(program: ChildProgram): void {
  const request = program.room(systemStructSizes.ifreq);
  request.bytes.set(new TextEncoder().encode("lo"));
  setField(viewOf(request.bytes), systemStructs.ifreq.ifr_ifru_ifru_flags, IFF_UP);
  const socket = program.step("socket", systemCalls.socket, [
    AF_INET,
    SOCK_DGRAM | SOCK_CLOEXEC,
    0,
  ]);
  program.step("ioctl", systemCalls.ioctl, [socket, SIOCSIFFLAGS, request.address]);
}

/** Sets up session, descriptors, signals and capabilities, and executes the command. */
function runCommand(program: ChildProgram, command: IsolatedCommand, socket: number): void {
  // Read directly into the environment: the rest of the buffer is zero, so the text ends after the digits.
  const name = new TextEncoder().encode(`${PID_VARIABLE}=`);
  const variable = program.room(name.length + PID_DIGITS + 1);
  variable.bytes.set(name);
  const digits = variable.address + name.length;
  program.step("wait", systemCalls.read, [socket, digits, PID_DIGITS], { stopAtZero: true });
  // In the caller's session, TIOCSTI could inject input into the caller's terminal.
  program.step("setsid", systemCalls.setsid, []);
  if (command.directory !== undefined) {
    program.step("chdir", systemCalls.chdir, [command.directory], { tolerate: true });
  }
  command.standard.forEach((fd, target) => {
    if (fd !== undefined) program.step("dup3", systemCalls.dup3, [fd, target, 0]);
  });
  if (command.terminal !== undefined) {
    program.step("ioctl", systemCalls.ioctl, [command.terminal, TIOCSCTTY, 0]);
  }
  program.step("close_range", systemCalls.close_range, [3, EVERY_DESCRIPTOR, CLOSE_RANGE_CLOEXEC]);
  for (const fd of command.descriptors) {
    program.step("fcntl", systemCalls.fcntl, [fd, F_SETFD, 0]);
  }
  // execve(2) gives root of a user namespace the capabilities of its bounding set and no others.
  program.step("prctl", systemCalls.prctl, [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0]);
  for (let number = 0; number < CAPABILITIES; number++) {
    if (command.capabilities.includes(number)) continue;
    program.step("prctl", systemCalls.prctl, [PR_CAPBSET_DROP, number, 0, 0, 0], {
      tolerate: true,
    });
  }
  keepCapabilities(program, command.capabilities);
  // Deno ignores SIGPIPE, and execve(2) keeps ignored signals ignored.
  const action = program.room(32);
  program.step("rt_sigaction", systemCalls.rt_sigaction, [SIGPIPE, action.address, 0, 8]);
  const mask = program.room(8);
  program.step("rt_sigprocmask", systemCalls.rt_sigprocmask, [SIG_SETMASK, mask.address, 0, 8]);
  const argv = program.texts(command.arguments);
  const environment = program.texts(command.environment, [variable.address]);
  command.executables.forEach((path, index) => {
    const tolerate = index < command.executables.length - 1;
    program.step("execve", systemCalls.execve, [path, argv, environment], { tolerate });
  });
}

function privateMounts(program: ChildProgram): void {
  program.step("make mounts private", systemCalls.mount, ["none", "/", 0, MS_REC | MS_PRIVATE, 0]);
}
