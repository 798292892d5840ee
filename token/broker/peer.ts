/**
 * Who is at the other end of a broker's connection.
 *
 * The kernel is asked through a descriptor of the process, never by its pid: a pid can be another
 * process's by the time it is used.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { PeerCredentials } from "../../kernel/processes.ts";
import { Errno, errnoName, failed } from "../../uapi/errno.ts";
import type { PeerFacts } from "./policy.ts";

/** More user namespaces in one another than the kernel allows (32). */
const DEEPEST = 40;

/** A process that connected. Its descriptors are this process's until disposal. */
export class Peer implements Disposable {
  /** Its pid, in this process's pid namespace. */
  readonly pid: number;
  /** Its uid when it connected. */
  readonly uid: number;
  /** A descriptor of it. */
  readonly pidfd: number;
  /** A descriptor of its user namespace: while it is open, no other gets its inode. */
  readonly userNamespaceFd: number;
  /** Inode of its user namespace. */
  readonly userNamespace: bigint;
  /** Whether that is this process's own. */
  readonly initial: boolean;
  /** Whether that lies in another than this process's own. */
  readonly nested: boolean;
  /** The uid that owns its user namespace. */
  readonly owner: number;
  /**
   * For whom its requests count: the owner of the outermost of its user namespaces, since that owner can make as
   * many namespaces and has as many subordinate uids as it likes. Namespaces that root owns count each for
   * itself: nobody else can make one, and they belong to different containers.
   */
  readonly account: string;
  readonly #kernel: Kernel;
  readonly #descriptors: readonly number[];
  #cgroup: { readonly path: string | undefined } | undefined;
  #ownsNetwork: boolean | undefined;

  private constructor(
    kernel: Kernel,
    credentials: PeerCredentials,
    pidfd: number,
    namespaces: UserNamespaces,
  ) {
    this.#kernel = kernel;
    this.#descriptors = [pidfd, ...namespaces.descriptors];
    this.pid = credentials.pid;
    this.uid = credentials.uid;
    this.pidfd = pidfd;
    this.userNamespaceFd = namespaces.fd;
    this.userNamespace = namespaces.inode;
    this.initial = namespaces.initial;
    this.nested = namespaces.nested;
    this.owner = namespaces.owner;
    this.account = namespaces.initial ? `uid ${credentials.uid}` : namespaces.account;
  }

  /** Identifies the peer of a connection; a text that says why it cannot be, otherwise. */
  static identify(kernel: Kernel, socket: number): Peer | string {
    const { sockets } = kernel.processes;
    const credentials = sockets.peerCredentials(socket);
    if (typeof credentials === "number") return because("its credentials", credentials);
    const pidfd = sockets.peerProcess(socket);
    if (failed(pidfd, Errno.ENOPROTOOPT)) return "this kernel is older than 6.5";
    if (pidfd < 0) return because("a descriptor of its process", pidfd);
    const namespaces = userNamespacesOf(kernel, pidfd);
    if (typeof namespaces !== "string") return new Peer(kernel, credentials, pidfd, namespaces);
    kernel.close(pidfd);
    return namespaces;
  }

  /** The path of its cgroup in the unified hierarchy; without one, of the one that systemd made. */
  get cgroup(): string | undefined {
    this.#cgroup ??= { path: cgroupOf(this.#kernel, this.pid) };
    return this.#cgroup.path;
  }

  /** Everything that a policy looks at; a text that says why it is not known, otherwise. */
  facts(): PeerFacts | string {
    const { pid, uid, cgroup, owner, userNamespace, initial, nested } = this;
    // Only now, when all has been read by pid, does it count that the pid was its own all the time.
    // A descriptor of a process that has ended is readable.
    if (this.#kernel.poller.poll(this.pidfd, 0)) return "its process ended meanwhile";
    const ownsNetwork = (): boolean => this.#ownsNetwork ??= !initial && this.#lookAtNetworks();
    return {
      ...{ pid, uid, cgroup, owner, userNamespace, initial, nested },
      // Only a policy that asks is worth a look at all threads of the machine.
      get ownsNetwork(): boolean {
        return ownsNetwork();
      },
    };
  }

  /** What was found out about its network; undefined when nobody asked. */
  get seenNetwork(): boolean | undefined {
    return this.#ownsNetwork;
  }

  /** Whether it and all threads in its user namespace are in network namespaces which that owns. */
  #lookAtNetworks(): boolean {
    const network = this.#kernel.processes.namespaces.ofProcess(this.pidfd, "network");
    if (network < 0) return false;
    const owned = ownedBy(this.#kernel, network, this.userNamespace);
    this.#kernel.close(network);
    return owned && allNetworksOwned(this.#kernel, this.userNamespace);
  }

  /** Closes its descriptors. */
  [Symbol.dispose](): void {
    for (const fd of this.#descriptors) this.#kernel.close(fd);
  }
}

/** A process's user namespace and those above it. */
interface UserNamespaces {
  readonly fd: number;
  readonly inode: bigint;
  readonly initial: boolean;
  readonly nested: boolean;
  readonly owner: number;
  readonly account: string;
  readonly descriptors: readonly number[];
}

function userNamespacesOf(kernel: Kernel, pidfd: number): UserNamespaces | string {
  const { namespaces } = kernel.processes;
  const fd = namespaces.ofProcess(pidfd, "user");
  if (failed(fd, Errno.ENOTTY, Errno.EINVAL)) {
    return "this kernel does not tell the namespaces of a process: it is older than 6.11";
  }
  if (fd < 0) return because("its user namespace", fd);
  const own = kernel.stat("/proc/self/ns/user");
  const inode = kernel.stat(fd).inode;
  const owner = namespaces.ownerUid(fd);
  const refuse = (what: string, result: number): string => {
    kernel.close(fd);
    return because(what, result);
  };
  if (own.result < 0) return refuse("the broker's own user namespace", own.result);
  if (owner < 0) return refuse("the owner of its user namespace", owner);
  const facts = { fd, inode, owner, descriptors: [fd] };
  if (inode === own.inode) return { ...facts, initial: true, nested: false, account: "" };
  // Up to the one whose parent is the broker's own. Each is held open until the next is.
  let outer = { fd: kernel.dup(fd), inode, owner };
  try {
    for (let depth = 0; depth < DEEPEST; depth++) {
      if (outer.fd < 0) return refuse("the user namespaces above its own", outer.fd);
      const parent = namespaces.parent(outer.fd);
      // None is above, or it is out of the broker's sight: no namespace below the broker's own.
      if (parent < 0) return refuse("the user namespaces above its own", parent);
      const above = kernel.stat(parent).inode;
      if (above === own.inode) {
        kernel.close(parent);
        // An inode is given again once its namespace is gone; before Linux 6.18 there is nothing better.
        const id = namespaces.id(outer.fd);
        const account = outer.owner === 0
          ? `namespace ${id < 0 ? outer.inode : id}`
          : `uid ${outer.owner}`;
        return { ...facts, initial: false, nested: depth > 0, account };
      }
      kernel.close(outer.fd);
      outer = { fd: parent, inode: above, owner: namespaces.ownerUid(parent) };
    }
    return refuse("the user namespaces above its own", -Errno.ELOOP);
  } finally {
    if (outer.fd >= 0) kernel.close(outer.fd);
  }
}

/** Why something about a peer is not known. */
function because(what: string, result: number): string {
  const why = failed(result, Errno.EMFILE, Errno.ENFILE)
    ? "the broker has no file descriptors left"
    : failed(result, Errno.ESRCH)
    ? "its process is gone"
    : failed(result, Errno.EPERM, Errno.EACCES)
    ? "the broker is not allowed to see it"
    : "the kernel did not tell";
  return `${what} cannot be had: ${why} (${errnoName(-result)})`;
}

/** Whether a network namespace belongs to the user namespace. */
function ownedBy(kernel: Kernel, networkFd: number, userNamespace: bigint): boolean {
  const owner = kernel.processes.namespaces.owningUserNamespace(networkFd);
  if (owner < 0) return false;
  const { inode } = kernel.stat(owner);
  kernel.close(owner);
  return inode === userNamespace;
}

/**
 * Whether all threads in a user namespace are in network namespaces that it owns: one that is not could use the
 * token there. Threads, since each has a network namespace of its own, and a process goes on when its
 * first thread has ended.
 *
 * It tells how things are now: who holds the token can hand it on later. And a process that forks and ends all
 * the time can be missed, since /proc is read one process after another.
 */
function allNetworksOwned(kernel: Kernel, userNamespace: bigint): boolean {
  let seen = false;
  for (const pid of numbersIn(kernel, "/proc")) {
    // All threads of a process have one user namespace: unshare(2) and setns(2) refuse a process that has several.
    const process = kernel.stat(`/proc/${pid}/ns/user`);
    if (process.result >= 0 && process.inode !== userNamespace) continue;
    for (const task of numbersIn(kernel, `/proc/${pid}/task`)) {
      const folder = `/proc/${pid}/task/${task}/ns`;
      const user = kernel.stat(`${folder}/user`);
      // It ended while we were looking; or it is in a namespace that the broker has no right over, which
      // is none below its own.
      if (user.result < 0 || user.inode !== userNamespace) continue;
      const network = kernel.open(`${folder}/net`);
      if (failed(network, Errno.ENOENT, Errno.ESRCH)) continue;
      const owned = network >= 0 && ownedBy(kernel, network, userNamespace);
      if (network >= 0) kernel.close(network);
      if (!owned) return false;
      seen = true;
    }
  }
  // The peer itself is in there: without it, this is not where processes are seen.
  return seen;
}

function numbersIn(kernel: Kernel, folder: string): readonly string[] {
  return (kernel.readDirectory(folder) ?? []).filter((name) => /^\d+$/.test(name));
}

/** The path in the unified hierarchy; without one, the one that systemd made. */
function cgroupOf(kernel: Kernel, pid: number): string | undefined {
  const { result, bytes } = kernel.readFile(`/proc/${pid}/cgroup`, 64 * 1024);
  if (result < 0) return undefined;
  const text = new TextDecoder().decode(bytes);
  return (/^0::(\/.*)$/m.exec(text) ?? /^\d+:name=systemd:(\/.*)$/m.exec(text))?.[1];
}
