/**
 * The part of the interface to Linux that concerns other processes: children, user namespaces, mounts and
 * sockets.
 *
 * It is {@linkcode Kernel.processes}, so that a fake or a recording of a kernel covers these commands as
 * well. As in `Kernel`, a refusal is a result and not an error: `-errno`, or the {@linkcode FailedStep} for
 * a command made of several steps.
 *
 * @module
 */

import type { Result } from "./result.ts";

/** The step at which a command of several steps failed. */
export interface FailedStep {
  /** The step, usually a system call: `setns`, `execve`. */
  readonly step: string;
  /** `-errno`. */
  readonly result: Result;
}

/** How a process ended. */
export interface ExitStatus {
  /** The exit status; 128 plus the signal's number after a signal, as in shells. */
  readonly code: number;
  /** The number of the signal that ended it, or 0. */
  readonly signal: number;
}

/** A child process. Disposal kills it if it is alive, reaps it and closes its pidfd. */
export interface Child extends Disposable {
  /** Its pid in this process's pid namespace. */
  readonly pid: number;
  /** Its pidfd: readable when it has ended. */
  readonly pidfd: number;
  /** Waits until it has ended, without blocking the event loop. */
  wait(): Promise<ExitStatus>;
  /**
   * Sends a signal; returns 0 or `-errno`. The pidfd cannot refer to another process that reuses the pid.
   */
  signal(number: number): Result;
}

/** A path that the command's user may read although permissions on the path or above it forbid it. */
export interface VisiblePath {
  /** The path, absolute and without symbolic links. */
  readonly path: string;
  /** Whether it is a directory. */
  readonly directory: boolean;
}

/** A directory that hides the paths below it, and is covered by an empty one with only those paths. */
export interface Cover {
  /** The directory. */
  readonly path: string;
  /** Directories to create in it, parents first, absolute. */
  readonly directories: readonly string[];
  /** Files to create in it, absolute. */
  readonly files: readonly string[];
  /** Symbolic links to create in it: their absolute paths and targets. */
  readonly links: readonly { readonly path: string; readonly target: string }[];
  /** The directory's owner, who may write in it; this process's user when undefined. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** The command that {@linkcode Children.startIsolated} starts. */
export interface IsolatedCommand {
  /** Paths to execute, in order of PATH; the first that succeeds is used. */
  readonly executables: readonly string[];
  /** The arguments (argv). */
  readonly arguments: readonly string[];
  /** The environment, as `NAME=value`. */
  readonly environment: readonly string[];
  /** The working directory; this process's when undefined or when it cannot be entered. */
  readonly directory: string | undefined;
  /** The uid outside; 0 inside. */
  readonly uid: number;
  /** The gid outside; 0 inside. */
  readonly gid: number;
  /** Whether it gets a new network namespace, with the loopback interface up. */
  readonly newNetwork: boolean;
  /** Where its bpffs is mounted. */
  readonly mountAt: string;
  /** Paths to make readable. */
  readonly visible: readonly VisiblePath[];
  /** Directories that hide those paths. */
  readonly covers: readonly Cover[];
  /** A user namespace that maps the owner of the visible files to the user, for idmapped mounts. */
  readonly ownerMapFd: number | undefined;
  /** Descriptors that become 0, 1 and 2; an undefined one is inherited. */
  readonly standard: readonly (number | undefined)[];
  /** Other descriptors to inherit, with the same numbers. */
  readonly descriptors: readonly number[];
  /** The slave of a pseudo-terminal that becomes the command's controlling terminal. */
  readonly terminal: number | undefined;
  /** Descriptor of the cgroup (version 2) directory that its processes start in; undefined keeps the caller's. */
  readonly cgroupFd?: number | undefined;
  /**
   * Numbers of the capabilities that it has in its user namespace. It has no others and cannot gain any.
   */
  readonly capabilities: readonly number[];
}

/**
 * A child in new namespaces, pid namespace included, that waits for its bpffs to be configured. When the
 * command or this process ends, every process in the pid namespace is killed.
 */
export interface IsolatedChild extends Child {
  /** The pid of the pid namespace's init. */
  readonly pid: number;
  /**
   * The bpffs context that it opened: configure it with fsconfig(2), ending with FSCONFIG_CMD_CREATE.
   * Closed by {@linkcode run} and disposal.
   */
  readonly contextFd: number;
  /** Lets it execute the command; returns the command's pid, or the step at which it failed. */
  run(): Promise<number | FailedStep>;
  /** Kills the command and every process it has started; returns 0 or `-errno`. */
  kill(): Result;
}

/** Child processes, started without a helper program. */
export interface Children {
  /**
   * Starts a command in new user, mount, pid and (optionally) network namespaces, and waits until it has
   * opened the context of a bpffs there. The id maps are written meanwhile. The caller configures the
   * context and calls {@linkcode IsolatedChild.run}.
   */
  startIsolated(command: IsolatedCommand): Promise<IsolatedChild | FailedStep>;
  /** pidfd_open(2): returns a pidfd of a running process. */
  open(pid: number): Result;
  /** pidfd_send_signal(2). */
  signal(pidfd: number, number: number): Result;
  /** flock(2) with LOCK_EX and LOCK_NB: returns 0, or -EAGAIN when another open file holds the lock. */
  lock(fd: number): Result;
  /**
   * Starts a child that keeps this process's current privileges only to remove the file. Returns a socket:
   * a byte sent to it removes the file, after which it becomes readable; closing it ends the child without
   * removing.
   */
  startRemover(path: string): Result | FailedStep;
  /** pipe2(2) with O_CLOEXEC: returns the reading and the writing end. */
  pipe(): readonly [reading: number, writing: number] | Result;
}

/** The namespaces of a process that can be opened. */
export type NamespaceKind = "user" | "network";

/** Limits on a child in another user namespace, whose root can slow, stop and kill it. */
export interface InsideOptions {
  /**
   * Milliseconds after which the child is killed and the result is -ETIMEDOUT.
   *
   * @default {2000}
   */
  readonly timeout?: number | undefined;
  /** Kills the child when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** User namespaces, by descriptor. */
export interface Namespaces {
  /**
   * ioctl(2) on a pidfd: returns a descriptor of a namespace of the thread-group leader (Linux 6.11; ENOTTY
   * before).
   */
  ofProcess(pidfd: number, kind: NamespaceKind): Result;
  /** NS_GET_USERNS: returns a descriptor of the user namespace that owns a namespace. */
  owningUserNamespace(namespaceFd: number): Result;
  /**
   * NS_GET_PARENT: returns a descriptor of the parent user namespace; EPERM when it is outside this
   * process's.
   */
  parent(userNamespaceFd: number): Result;
  /**
   * NS_GET_OWNER_UID: returns the uid that owns a user namespace, mapped into this process's user
   * namespace.
   */
  ownerUid(userNamespaceFd: number): Result;
  /** NS_GET_ID (Linux 6.18; ENOTTY before): returns an id that no other namespace gets until reboot. */
  id(namespaceFd: number): Result;
  /** Maps uid and gid 0 in a process's new user namespace to `uid` and `gid` outside. */
  writeIdMaps(pid: number, uid: number, gid: number): FailedStep | undefined;
  /**
   * Returns a descriptor of an otherwise empty user namespace with one uid and one gid mapped, for an
   * idmapped mount.
   */
  ownerMap(uid: number, gid: number): Promise<Result | FailedStep>;
  /**
   * Opens a context for a bpffs inside another user namespace and returns its descriptor in this process.
   */
  openFilesystemIn(userNamespaceFd: number, options?: InsideOptions): Promise<Result | FailedStep>;
  /**
   * Calls BPF_TOKEN_CREATE inside another user namespace and returns the token's descriptor in this
   * process.
   */
  createTokenIn(
    userNamespaceFd: number,
    directoryFd: number,
    options?: InsideOptions,
  ): Promise<Result | FailedStep>;
}

/** What a process keeps when it drops its privileges. */
export interface Confinement {
  /** The user that it becomes, without supplementary groups; unchanged when undefined. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  /**
   * Numbers of the capabilities that this thread keeps. With `user`, no other thread that runs then has
   * any.
   */
  readonly capabilities: readonly number[];
}

/** The credentials of this process. */
export interface Credentials {
  /**
   * Drops all capabilities except those given, ambient ones included; sets no_new_privs; makes the process
   * undumpable, so that only CAP_SYS_PTRACE permits tracing it. Irreversible. After a refused step the
   * process is partly confined and should end.
   */
  confine(kept: Confinement): FailedStep | undefined;
}

/** File systems through the mount API of Linux 5.2: open a context, configure it, mount it, move it. */
export interface Mounts {
  /** fsopen(2): opens a context for a new file system in this process's user namespace. */
  open(type: string): Result;
  /** fspick(2): opens a context for the file system mounted at the directory. */
  pick(directoryFd: number): Result;
  /** fsconfig(2) with FSCONFIG_SET_STRING; EINVAL for values of more than 255 bytes. */
  setOption(contextFd: number, key: string, value: string): Result;
  /** fsconfig(2) with FSCONFIG_CMD_CREATE. A refused context cannot be used again. */
  create(contextFd: number): Result;
  /** fsconfig(2) with FSCONFIG_CMD_RECONFIGURE. It changes nothing on a bpffs. */
  reconfigure(contextFd: number): Result;
  /** fsmount(2): returns a detached mount as an O_PATH descriptor. */
  mount(contextFd: number): Result;
  /** move_mount(2): attaches a mount at a path. */
  move(mountFd: number, path: string): Result;
}

/** Terminals: the pseudo-terminal of an interactive command, and the settings of the caller's terminal. */
export interface Terminals {
  /**
   * Opens a pseudo-terminal: a nonblocking master, and a slave owned by `uid`. ENOENT where `/dev/ptmx`
   * does not exist.
   */
  open(uid: number, gid: number): readonly [master: number, slave: number] | Result;
  /** TCGETS: returns the bytes of `struct termios`; ENOTTY for a descriptor that is not a terminal. */
  settings(fd: number): Uint8Array<ArrayBuffer> | Result;
  /** TCSETS: applies settings immediately. */
  setSettings(fd: number, settings: Uint8Array): Result;
  /** TIOCGWINSZ and TIOCSWINSZ: copies the window size of one terminal to another. */
  copyWindowSize(from: number, to: number): Result;
}

/** A received message. */
export interface Message {
  /** Its bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The descriptors received with it, close-on-exec; the receiver owns them. */
  readonly descriptors: readonly number[];
  /** Whether bytes or descriptors were truncated. */
  readonly truncated: boolean;
}

/** Credentials of the peer at the time of connect(2) or socketpair(2). */
export interface PeerCredentials {
  /** Its pid in the receiver's pid namespace; 0 when it has none there. */
  readonly pid: number;
  /** Its effective uid in the receiver's user namespace. */
  readonly uid: number;
  /** Its effective gid. */
  readonly gid: number;
}

/**
 * AF_UNIX SOCK_SEQPACKET sockets with close-on-exec, which pass descriptors between processes.
 *
 * A message arrives whole or not at all. Deno's sockets expose no descriptor and cannot pass any.
 */
export interface Sockets {
  /** socketpair(2): returns two connected sockets. */
  pair(): readonly [number, number] | Result;
  /** Listens at a path; returns a nonblocking socket. */
  listen(path: string): Result;
  /**
   * Takes ownership of an inherited listening socket and makes it close-on-exec and nonblocking; EINVAL for
   * any other descriptor.
   */
  adopt(fd: number): Result;
  /**
   * sendto(2) of one datagram to a path or, with a leading `@`, to an abstract address, as sd_notify(3)
   * does.
   */
  notify(path: string, text: string): Result;
  /** Accepts the next connection; EAGAIN when there is none. */
  accept(socket: number): Result;
  /** Connects to a path; EAGAIN when the accept queue is full. */
  connect(path: string): Result;
  /**
   * Sends one message with descriptors; returns the number of bytes. Never blocks (EAGAIN), never raises
   * SIGPIPE.
   */
  send(socket: number, bytes: Uint8Array, descriptors?: readonly number[]): Result;
  /**
   * Receives one message of at most `size` bytes without waiting: EAGAIN when there is none; an empty
   * message when the peer has closed.
   */
  receive(socket: number, size: number): Message | Result;
  /**
   * As {@linkcode receive}, waiting up to `timeout` milliseconds (without limit when omitted); ETIMEDOUT
   * after that.
   */
  receiveWithin(socket: number, size: number, timeout?: number): Promise<Message | Result>;
  /** SO_PEERCRED: returns the credentials of the peer. */
  peerCredentials(socket: number): PeerCredentials | Result;
  /**
   * SO_PEERPIDFD (Linux 6.5): returns a pidfd of the peer, which keeps referring to it when the pid is
   * reused.
   */
  peerProcess(socket: number): Result;
  /** chmod(2) of a socket's path: connecting needs write permission on it. */
  setMode(path: string, mode: number): Result;
}

/** Commands on other processes. */
export interface Processes {
  /** Child processes. */
  readonly children: Children;
  /** Credentials of this process. */
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

/** Returns whether a result is the failed step of a command of several steps. */
export function isFailedStep(answer: object | number | undefined): answer is FailedStep {
  return typeof answer === "object" && "step" in answer;
}
