/**
 * The part of the seam to Linux that is about other processes: children, user namespaces, mounts and
 * sockets. It is reached as {@linkcode Kernel.processes}, so that whoever is given a kernel, a fake or a
 * recording is given these commands of the same machine.
 *
 * As in `Kernel`, a refusal is an answer and never an error: `-errno`, or, where a command is made of
 * several steps, the {@linkcode FailedStep}. Only what cannot be a refusal of the kernel throws.
 *
 * @module
 */

import type { Result } from "./result.ts";

/** The step of a command of several at which it ended. */
export interface FailedStep {
  /** The step, usually the system call: `setns`, `execve`. */
  readonly step: string;
  /** `-errno`. */
  readonly result: Result;
}

/** How a process ended. */
export interface ExitStatus {
  /** The exit status; for a signal, 128 and its number, as shells have it. */
  readonly code: number;
  /** The number of the signal that ended it, or 0. */
  readonly signal: number;
}

/** A child process. Disposing it kills it when it still runs, reaps it and closes its descriptor. */
export interface Child extends Disposable {
  /** Its pid, as this process sees it. */
  readonly pid: number;
  /** A descriptor of it: readable when it has ended. */
  readonly pidfd: number;
  /** Waits for its end without blocking the event loop. */
  wait(): Promise<ExitStatus>;
  /** Sends a signal: 0, or `-errno`. It cannot reach another process that got the pid later. */
  signal(number: number): Result;
}

/** A path that the command's user is to read although its permissions or those above it say no. */
export interface VisiblePath {
  /** The path, absolute and without links. */
  readonly path: string;
  /** Whether it is a directory. */
  readonly directory: boolean;
}

/** A directory that hides the paths below it, and is covered by an empty one with only those. */
export interface Cover {
  /** The directory. */
  readonly path: string;
  /** Directories to make in it, parents first, absolute. */
  readonly directories: readonly string[];
  /** Files to make in it, absolute. */
  readonly files: readonly string[];
  /** Symbolic links to make in it: their absolute paths, and what they contain. */
  readonly links: readonly { readonly path: string; readonly target: string }[];
  /** Who owns it and may write in it; undefined is this process's user. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** What {@linkcode Children.startIsolated} starts. */
export interface IsolatedCommand {
  /** Paths to execute, the first that works: what PATH says. */
  readonly executables: readonly string[];
  /** argv. */
  readonly arguments: readonly string[];
  /** `NAME=value` each. */
  readonly environment: readonly string[];
  /** The working directory; when it cannot be entered, the command starts in this process's. */
  readonly directory: string | undefined;
  /** Uid outside; 0 inside. */
  readonly uid: number;
  /** Gid outside; 0 inside. */
  readonly gid: number;
  /** Whether it gets a network namespace, with its loopback up. */
  readonly newNetwork: boolean;
  /** Where the bpffs is mounted for it. */
  readonly mountAt: string;
  /** Made visible, read-only. */
  readonly visible: readonly VisiblePath[];
  /** Directories that stand in the way of those. */
  readonly covers: readonly Cover[];
  /** A user namespace whose map makes this process's files the user's, for what is visible. */
  readonly ownerMapFd: number | undefined;
  /** Descriptors that become 0, 1 and 2; undefined leaves one as it is. */
  readonly standard: readonly (number | undefined)[];
  /** Other descriptors that stay open in it, under the same number. */
  readonly descriptors: readonly number[];
  /** A descriptor that is the slave of a pseudo-terminal: the command's controlling terminal. */
  readonly terminal: number | undefined;
  /** Numbers of the capabilities that it has in its user namespace. It has no others, and cannot gain any. */
  readonly capabilities: readonly number[];
}

/**
 * A child in namespaces of its own, pid namespace included, that waits for its bpffs to be configured. When
 * the command ends, or this process does, every process in the pid namespace is killed.
 */
export interface IsolatedChild extends Child {
  /** The pid of the init of its pid namespace. */
  readonly pid: number;
  /** The context that it opened: fsconfig(2) it, with FSCONFIG_CMD_CREATE last. Closed by {@linkcode run} and disposal. */
  readonly contextFd: number;
  /** Lets it go on to its command: the command's pid, or the step at which it ended before. */
  run(): Promise<number | FailedStep>;
  /** Kills the command and every process that it has started: 0, or `-errno`. */
  kill(): Result;
}

/** Child processes, made without any helper program. */
export interface Children {
  /**
   * Starts a command in new user, mount and (when asked) network namespaces, and waits until it has opened
   * the context of a bpffs there. The caller then writes the id maps, configures the context, and lets it run.
   */
  startIsolated(command: IsolatedCommand): Promise<IsolatedChild | FailedStep>;
  /** pidfd_open(2): a descriptor of a running process. */
  open(pid: number): Result;
  /** pidfd_send_signal(2). */
  signal(pidfd: number, number: number): Result;
  /** flock(2) with LOCK_EX and LOCK_NB: 0, or EAGAIN when another open file holds the lock. */
  lock(fd: number): Result;
  /**
   * Starts a child that keeps the rights that this process has now for one thing: to remove the file. A byte
   * to the descriptor that is returned lets it, and that descriptor is readable when it is done; closing the
   * descriptor ends it without.
   */
  startRemover(path: string): Result | FailedStep;
  /** pipe2(2), close-on-exec: the end to read from and the end to write to. */
  pipe(): readonly [reading: number, writing: number] | Result;
}

/** Which namespace of a process. */
export type NamespaceKind = "user" | "network";

/** How long a child may be in another user namespace, whose root can slow, stop and kill it. */
export interface InsideOptions {
  /** Milliseconds after which it is killed, and ETIMEDOUT is the answer. @default {2000} */
  readonly timeout?: number | undefined;
  /** Kills it at once. */
  readonly signal?: AbortSignal | undefined;
}

/** User namespaces, by descriptors of them. */
export interface Namespaces {
  /** ioctl(2) on a pidfd: a descriptor of a namespace that the process's leader is in (Linux 6.11; ENOTTY before). */
  ofProcess(pidfd: number, kind: NamespaceKind): Result;
  /** NS_GET_USERNS: a descriptor of the user namespace that owns a namespace. */
  owningUserNamespace(namespaceFd: number): Result;
  /** NS_GET_PARENT: a descriptor of the user namespace above; EPERM when it is out of this process's sight. */
  parent(userNamespaceFd: number): Result;
  /** NS_GET_OWNER_UID: the uid that owns a user namespace, as this process's user namespace has it. */
  ownerUid(userNamespaceFd: number): Result;
  /** NS_GET_ID (Linux 6.18; ENOTTY before): a number that no other namespace gets while the machine runs. */
  id(namespaceFd: number): Result;
  /** Maps uid and gid 0 in a process's new user namespace to those outside. */
  writeIdMaps(pid: number, uid: number, gid: number): FailedStep | undefined;
  /** A descriptor of a user namespace that nobody is in, with one uid and one gid mapped: what an id-mapped mount wants. */
  ownerMap(uid: number, gid: number): Promise<Result | FailedStep>;
  /** A context for a bpffs, opened from within another user namespace: a descriptor in this process. */
  openFilesystemIn(userNamespaceFd: number, options?: InsideOptions): Promise<Result | FailedStep>;
  /** BPF_TOKEN_CREATE from within another user namespace: a token's descriptor in this process. */
  createTokenIn(
    userNamespaceFd: number,
    directoryFd: number,
    options?: InsideOptions,
  ): Promise<Result | FailedStep>;
}

/** What a process keeps when it gives up the rest. */
export interface Confinement {
  /** The user that it becomes, without supplementary groups; undefined leaves its user as it is. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  /** Numbers of the capabilities that this thread keeps. With `user` given, no other thread that runs then has any. */
  readonly capabilities: readonly number[];
}

/** The credentials of this process. */
export interface Credentials {
  /**
   * Gives up all capabilities but those named, the ambient ones included; sets no_new_privs, and makes the
   * process undumpable, so that nobody without CAP_SYS_PTRACE traces it. There is no way back. After a step
   * that was refused the process is half confined, and should end.
   */
  confine(kept: Confinement): FailedStep | undefined;
}

/** File systems by the calls of the new mount API (Linux 5.2): open a context, configure it, mount it, move it. */
export interface Mounts {
  /** fsopen(2): a context for a new file system, in this process's user namespace. */
  open(type: string): Result;
  /** fspick(2): a context for the mounted file system that a directory descriptor is the root of. */
  pick(directoryFd: number): Result;
  /** fsconfig(2) with FSCONFIG_SET_STRING. Values of more than 255 bytes are EINVAL. */
  setOption(contextFd: number, key: string, value: string): Result;
  /** fsconfig(2) with FSCONFIG_CMD_CREATE. After a refusal the context is of no use. */
  create(contextFd: number): Result;
  /** fsconfig(2) with FSCONFIG_CMD_RECONFIGURE. On a bpffs it changes nothing. */
  reconfigure(contextFd: number): Result;
  /** fsmount(2): the mount as an O_PATH descriptor, attached nowhere. */
  mount(contextFd: number): Result;
  /** move_mount(2): attaches a mount at a path. */
  move(mountFd: number, path: string): Result;
}

/** Terminals: the pseudo-terminal of an interactive command, and the settings of the caller's terminal. */
export interface Terminals {
  /**
   * Opens a pseudo-terminal: the master, which does not block, and the slave, which the user owns.
   * ENOENT where `/dev/ptmx` does not exist.
   */
  open(uid: number, gid: number): readonly [master: number, slave: number] | Result;
  /** TCGETS: the bytes of `struct termios`; ENOTTY for a descriptor that is no terminal. */
  settings(fd: number): Uint8Array<ArrayBuffer> | Result;
  /** TCSETS: applies settings at once. */
  setSettings(fd: number, settings: Uint8Array): Result;
  /** TIOCGWINSZ and TIOCSWINSZ: gives one terminal the window size of another. */
  copyWindowSize(from: number, to: number): Result;
}

/** A message. */
export interface Message {
  /** Its bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The descriptors that came with it, close-on-exec, the receiver's own. */
  readonly descriptors: readonly number[];
  /** Whether bytes or descriptors were cut off. */
  readonly truncated: boolean;
}

/** Who is at the other end, as of connect(2) or socketpair(2). */
export interface PeerCredentials {
  /** Its pid, in the receiver's pid namespace; 0 when it has none there. */
  readonly pid: number;
  /** Its effective uid, in the receiver's user namespace. */
  readonly uid: number;
  /** Its effective gid. */
  readonly gid: number;
}

/**
 * Sockets between processes of one machine that carry descriptors: AF_UNIX, SOCK_SEQPACKET, close-on-exec.
 *
 * A message arrives whole or not at all. Deno's own sockets hide their descriptor and carry none.
 */
export interface Sockets {
  /** socketpair(2): two connected sockets. */
  pair(): readonly [number, number] | Result;
  /** Listens at a path; the socket, which does not block. */
  listen(path: string): Result;
  /** Takes over a descriptor that was inherited: EINVAL when it is no listening socket of this kind. Makes it close-on-exec and not blocking. */
  adopt(fd: number): Result;
  /** sendto(2) of one datagram to a path, or with a leading `@` to an abstract name: what sd_notify(3) does. */
  notify(path: string, text: string): Result;
  /** The next connection; EAGAIN when there is none. */
  accept(socket: number): Result;
  /** Connects to a path; EAGAIN when the queue of the other side is full. */
  connect(path: string): Result;
  /** Sends one message with descriptors: the number of bytes. Never waits (EAGAIN), never raises SIGPIPE. */
  send(socket: number, bytes: Uint8Array, descriptors?: readonly number[]): Result;
  /** Receives one message of at most `size` bytes without waiting: EAGAIN when there is none; an empty one when the other side is gone. */
  receive(socket: number, size: number): Message | Result;
  /** As {@linkcode receive}, waiting up to `timeout` milliseconds (without it, without end); ETIMEDOUT after that. */
  receiveWithin(socket: number, size: number, timeout?: number): Promise<Message | Result>;
  /** SO_PEERCRED: who connected. */
  peerCredentials(socket: number): PeerCredentials | Result;
  /** SO_PEERPIDFD (Linux 6.5): a descriptor of the process that connected, whatever its pid becomes. */
  peerProcess(socket: number): Result;
  /** chmod(2) of a socket's path: connecting takes the right to write. */
  setMode(path: string, mode: number): Result;
}

/** Commands about other processes. */
export interface Processes {
  /** Child processes. */
  readonly children: Children;
  /** This process's own credentials. */
  readonly credentials: Credentials;
  /** User namespaces. */
  readonly namespaces: Namespaces;
  /** File systems. */
  readonly mounts: Mounts;
  /** Sockets that carry descriptors. */
  readonly sockets: Sockets;
  /** Terminals. */
  readonly terminals: Terminals;
}

/** Whether a command of several steps ended at one. */
export function isFailedStep(answer: object | number | undefined): answer is FailedStep {
  return typeof answer === "object" && "step" in answer;
}
