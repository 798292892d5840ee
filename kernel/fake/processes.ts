/**
 * Children, user namespaces, mounts and sockets in memory, for tests without privileges.
 *
 * @module
 */

import { Errno } from "../../uapi/errno.ts";
import type { FakeGround, FakeProcess, FakeUserNamespace } from "./ground.ts";
import type * as P from "../processes.ts";
import type { Result } from "../result.ts";
import { SIGKILL } from "../../uapi/processes.ts";
import { FakeSockets } from "./sockets.ts";

/** A file system context opened by fsopen(2) or {@linkcode P.Namespaces.openFilesystemIn}. */
export interface FakeFilesystem {
  /** The file system's type. */
  readonly type: string;
  /** The options set, in order. */
  readonly options: (readonly [key: string, value: string])[];
  /** Whether FSCONFIG_CMD_CREATE was called. */
  created: boolean;
}

/** Decides how a child starts: returns the step at which it fails, or undefined to let it run. */
export type FakeStart = (command: P.IsolatedCommand) => P.FailedStep | undefined;

/** The user namespace of the fake kernel's own process. */
const INITIAL: FakeUserNamespace = { inode: 0xeffffffdn, owner: 0 };
const FIRST_PID = 5000;

/**
 * Implements {@linkcode P.Processes} for the `FakeKernel`. Commands are logged and can be refused like
 * those of bpf(2).
 */
export class FakeProcesses implements P.Processes {
  /** Children; every started child is kept. */
  readonly children: FakeChildren;
  /** This process's credentials. */
  readonly credentials: P.Credentials;
  /** User namespaces. */
  readonly namespaces: P.Namespaces;
  /** File systems. */
  readonly mounts: P.Mounts;
  /** Sockets; tests can play the other ends as other processes. */
  readonly sockets: FakeSockets;
  /** Terminals. */
  readonly terminals: P.Terminals;

  /** Uses the poller, log and descriptors of a fake kernel. */
  constructor(ground: FakeGround) {
    const self: FakeProcess = {
      pid: FIRST_PID - 1,
      uid: 0,
      gid: 0,
      userNamespace: INITIAL,
      networkOwner: INITIAL,
    };
    this.children = new FakeChildren(ground);
    this.credentials = {
      confine(kept): P.FailedStep | undefined {
        const result = ground.run("confine", kept, () => 0);
        return result < 0 ? { step: "setresuid", result } : undefined;
      },
    };
    this.namespaces = fakeNamespaces(ground);
    this.mounts = fakeMounts(ground);
    this.sockets = new FakeSockets(ground, self);
    this.terminals = fakeTerminals(ground);
  }
}

/**
 * A child of the fake kernel: ends when the test calls {@linkcode FakeChild.exit}, or when it is killed.
 */
export class FakeChild implements P.IsolatedChild {
  readonly pid: number;
  readonly pidfd: number;
  readonly contextFd: number;
  /** The signals sent to it. */
  readonly signals: number[] = [];
  readonly #ground: FakeGround;
  readonly #refusal: P.FailedStep | undefined;
  readonly #ended: PromiseWithResolvers<P.ExitStatus> = Promise.withResolvers();

  /** Takes the step at which the child fails instead of running, if any. */
  constructor(ground: FakeGround, pid: number, refusal: P.FailedStep | undefined) {
    this.#ground = ground;
    this.#refusal = refusal;
    this.pid = pid;
    this.pidfd = ground.add({ kind: "process", name: `${pid}` });
    this.contextFd = addFilesystem(ground, "bpf");
  }

  /** Ends the child. */
  exit(status: P.ExitStatus): void {
    this.#ended.resolve(status);
    this.#ground.poller.ready(this.pidfd);
  }

  run(): Promise<number | P.FailedStep> {
    this.#ground.close(this.contextFd);
    this.#ground.run("child_run", { pid: this.pid }, () => this.#refusal?.result ?? 0);
    return Promise.resolve(this.#refusal ?? this.pid);
  }

  kill(): Result {
    return this.signal(SIGKILL);
  }

  wait(): Promise<P.ExitStatus> {
    return this.#ended.promise;
  }

  signal(number: number): Result {
    return this.#ground.run("pidfd_send_signal", { pid: this.pid, number }, () => {
      this.signals.push(number);
      if (number === SIGKILL) this.exit({ code: 128 + SIGKILL, signal: SIGKILL });
      return 0;
    });
  }

  /** Closes its open descriptors. */
  [Symbol.dispose](): void {
    for (const fd of [this.pidfd, this.contextFd]) {
      if (this.#ground.object(fd) !== undefined) this.#ground.close(fd);
    }
  }
}

/** Implements {@linkcode P.Children}. */
export class FakeChildren implements P.Children {
  /** All children that were started. */
  readonly started: FakeChild[] = [];
  /** Names of the locked files. Unlike with flock(2), closing a descriptor does not unlock. */
  readonly locked: Set<string> = new Set();
  /** Decides whether a command runs, or at which step it fails. */
  onStart: FakeStart = () => undefined;
  readonly #ground: FakeGround;

  /** Uses the poller, log and descriptors of a fake kernel. */
  constructor(ground: FakeGround) {
    this.#ground = ground;
  }

  startIsolated(command: P.IsolatedCommand): Promise<P.IsolatedChild | P.FailedStep> {
    const result = this.#ground.run("clone3", command, () => 0);
    if (result < 0) return Promise.resolve({ step: "clone3", result });
    const pid = FIRST_PID + this.started.length;
    const child = new FakeChild(this.#ground, pid, this.onStart(command));
    this.started.push(child);
    return Promise.resolve(child);
  }

  open(pid: number): Result {
    return this.#ground.run("pidfd_open", { pid }, () => {
      const known = this.started.some((child) => child.pid === pid);
      return known ? this.#ground.add({ kind: "process", name: `${pid}` }) : -Errno.ESRCH;
    });
  }

  signal(pidfd: number, number: number): Result {
    const process = this.#ground.object(pidfd);
    return this.#ground.run(
      "pidfd_send_signal",
      { pidfd, number },
      () => process?.kind === "process" ? 0 : -Errno.EBADF,
    );
  }

  lock(fd: number): Result {
    return this.#ground.run("flock", { fd }, () => {
      const held = this.#ground.object(fd)?.name;
      if (held === undefined) return -Errno.EBADF;
      if (this.locked.has(held)) return -Errno.EAGAIN;
      this.locked.add(held);
      return 0;
    });
  }

  startRemover(path: string): Result | P.FailedStep {
    const result = this.#ground.run(
      "start_remover",
      { path },
      () => this.#ground.add({ kind: "socket", name: `remover of ${path}` }),
    );
    return result < 0 ? { step: "clone3", result } : result;
  }

  pipe(): readonly [reading: number, writing: number] | Result {
    const result = this.#ground.run("pipe2", {}, () => 0);
    if (result < 0) return result;
    const end = (name: string): number => this.#ground.add({ kind: "other", name });
    return [end("pipe to read"), end("pipe to write")];
  }
}

function fakeNamespaces(ground: FakeGround): P.Namespaces {
  const add = (namespace: FakeUserNamespace, name: string): number =>
    ground.add({ kind: "namespace", name, inode: namespace.inode, attributes: namespace });
  /** The user namespace behind a descriptor; for a network namespace, the one that owns it. */
  const userNamespace = (fd: number): FakeUserNamespace | undefined => {
    const object = ground.object(fd);
    return object?.kind === "namespace" ? object.attributes as FakeUserNamespace : undefined;
  };
  const inside = async (
    command: string,
    fd: number,
    work: () => Result,
  ): Promise<Result | P.FailedStep> => {
    await Promise.resolve();
    const result = ground.run(
      command,
      { fd },
      () => userNamespace(fd) === undefined ? -Errno.EBADF : work(),
    );
    return result < 0 ? { step: command, result } : result;
  };
  return {
    ofProcess: (pidfd, kind) => {
      return ground.run("pidfd_get_namespace", { pidfd, kind }, () => {
        const process = ground.object(pidfd)?.attributes as FakeProcess | undefined;
        if (process === undefined) return -Errno.ESRCH;
        return kind === "user"
          ? add(process.userNamespace, "user")
          : add(process.networkOwner, "network");
      });
    },
    owningUserNamespace: (fd) => {
      return ground.run("ns_get_userns", { fd }, () => {
        const namespace = userNamespace(fd);
        return namespace === undefined ? -Errno.EBADF : add(namespace, "user");
      });
    },
    parent: (fd) => {
      return ground.run("ns_get_parent", { fd }, () => {
        const parent = userNamespace(fd)?.parent;
        return parent === undefined ? -Errno.EPERM : add(parent, "user");
      });
    },
    ownerUid: (fd) => {
      return ground.run("ns_get_owner_uid", { fd }, () => userNamespace(fd)?.owner ?? -Errno.EBADF);
    },
    id: (fd) =>
      ground.run("ns_get_id", { fd }, () => {
        const namespace = userNamespace(fd);
        return namespace === undefined ? -Errno.EBADF : Number(namespace.inode) + 1000;
      }),
    writeIdMaps: (pid, uid, gid) => {
      const result = ground.run("write_id_maps", { pid, uid, gid }, () => 0);
      return result < 0 ? { step: `write /proc/${pid}/uid_map`, result } : undefined;
    },
    ownerMap: (uid, gid) => {
      return Promise.resolve(
        ground.run("owner_map", { uid, gid }, () => add({ inode: 2n, owner: uid }, "user")),
      );
    },
    openFilesystemIn: (fd) => inside("fsopen", fd, () => addFilesystem(ground, "bpf")),
    createTokenIn: (fd, directoryFd) =>
      inside(
        "token_create",
        fd,
        () => ground.add({ kind: "token", name: ground.object(directoryFd)?.name ?? "" }),
      ),
  };
}

function addFilesystem(ground: FakeGround, type: string): number {
  const filesystem: FakeFilesystem = { type, options: [], created: false };
  return ground.add({ kind: "filesystem", name: type, attributes: filesystem });
}

function fakeMounts(ground: FakeGround): P.Mounts {
  const filesystem = (fd: number): FakeFilesystem | undefined => {
    const object = ground.object(fd);
    return object?.kind === "filesystem" ? object.attributes as FakeFilesystem : undefined;
  };
  return {
    open: (type) => ground.run("fsopen", { type }, () => addFilesystem(ground, type)),
    pick: (directoryFd) =>
      ground.run("fspick", { directoryFd }, () => {
        const directory = ground.object(directoryFd);
        return directory === undefined ? -Errno.EBADF : addFilesystem(ground, directory.name);
      }),
    setOption: (contextFd, key, value) =>
      ground.run("fsconfig", { contextFd, key, value }, () => {
        const context = filesystem(contextFd);
        if (context === undefined || value.length > 255) return -Errno.EINVAL;
        if (context.created) return -Errno.EBUSY;
        context.options.push([key, value]);
        return 0;
      }),
    create: (contextFd) =>
      ground.run("fsconfig_create", { contextFd }, () => {
        const context = filesystem(contextFd);
        if (context === undefined) return -Errno.EINVAL;
        if (context.created) return -Errno.EBUSY;
        context.created = true;
        return 0;
      }),
    reconfigure: (contextFd) =>
      ground.run(
        "fsconfig_reconfigure",
        { contextFd },
        () => filesystem(contextFd) === undefined ? -Errno.EINVAL : 0,
      ),
    mount: (contextFd) =>
      ground.run("fsmount", { contextFd }, () => {
        const context = filesystem(contextFd);
        if (context?.created !== true) return -Errno.EINVAL;
        return ground.add({ kind: "file", name: "mount", attributes: context });
      }),
    move: (mountFd, path) =>
      ground.run(
        "move_mount",
        { mountFd, path },
        () => ground.object(mountFd) === undefined ? -Errno.EBADF : 0,
      ),
  };
}

/** Opens pseudo-terminals; no descriptor of the fake kernel is a terminal. */
function fakeTerminals(ground: FakeGround): P.Terminals {
  return {
    open: (uid, gid) => {
      const result = ground.run("open_terminal", { uid, gid }, () => 0);
      if (result < 0) return result;
      return [
        ground.add({ kind: "other", name: "master" }),
        ground.add({ kind: "other", name: "slave" }),
      ];
    },
    settings: (fd) => ground.run("tcgets", { fd }, () => -Errno.ENOTTY),
    setSettings: (fd) => ground.run("tcsets", { fd }, () => -Errno.ENOTTY),
    copyWindowSize: (from, to) => ground.run("tiocswinsz", { from, to }, () => -Errno.ENOTTY),
  };
}
