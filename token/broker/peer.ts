/**
 * Identifies the process at the other end of a broker's connection.
 *
 * It is examined through a pidfd, never by its pid, which may belong to another process by the time
 * it is used.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { PeerCredentials } from "../../kernel/processes.ts";
import { Errno, errnoName, failed } from "../../uapi/errno.ts";
import type { PeerFacts } from "./policy.ts";

/** Exceeds the kernel's limit of nested user namespaces (32). */
const DEEPEST = 40;

/** A connected process. Its descriptors belong to this object until disposal. */
export class Peer implements Disposable {
  /** Its pid in this process's pid namespace. */
  readonly pid: number;
  /** Its uid when it connected. */
  readonly uid: number;
  /** A pidfd of the process. */
  readonly pidfd: number;
  /** A descriptor of its user namespace; while it is open, the inode is not reused. */
  readonly userNamespaceFd: number;
  /** Inode of its user namespace. */
  readonly userNamespace: bigint;
  /** Whether that is this process's user namespace. */
  readonly initial: boolean;
  /** Whether its user namespace is a child of another one than this process's. */
  readonly nested: boolean;
  /** The uid that owns its user namespace. */
  readonly owner: number;
  /**
   * The account that its requests count for: the owner of its outermost user namespace, who can
   * create any number of namespaces and use all its subordinate uids.
   *
   * Namespaces owned by root count separately: only root can create them, and they belong to
   * different containers.
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

  /** Identifies the peer of a connection; returns the reason as text when that fails. */
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

  /** Path of its cgroup in the unified hierarchy, or else in systemd's named hierarchy. */
  get cgroup(): string | undefined {
    this.#cgroup ??= { path: cgroupOf(this.#kernel, this.pid) };
    return this.#cgroup.path;
  }

  /** Returns everything that a policy examines; the reason as text when that fails. */
  facts(): PeerFacts | string {
    const { pid, uid, cgroup, owner, userNamespace, initial, nested } = this;
    // Must come last: it shows that the pid was not reused while it was read. The pidfd of an ended
    // process is readable.
    if (this.#kernel.poller.poll(this.pidfd, 0)) return "its process has ended";
    const ownsNetwork = (): boolean => this.#ownsNetwork ??= !initial && this.#lookAtNetworks();
    return {
      ...{ pid, uid, cgroup, owner, userNamespace, initial, nested },
      // Computed on access only, since it examines all threads of the machine.
      get ownsNetwork(): boolean {
        return ownsNetwork();
      },
    };
  }

  /** The cached result of {@linkcode ownsNetwork}; undefined when it was not computed. */
  get seenNetwork(): boolean | undefined {
    return this.#ownsNetwork;
  }

  /**
   * Returns whether all threads of its user namespace are in network namespaces that this user
   * namespace owns.
   */
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

/** The user namespace of a process and its ancestors. */
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
    return "this kernel has no PIDFD_GET_USER_NAMESPACE (Linux 6.11)";
  }
  if (fd < 0) return because("its user namespace", fd);
  const own = kernel.stat("/proc/self/ns/user");
  const inode = kernel.stat(fd).inode;
  const owner = namespaces.ownerUid(fd);
  const refuse = (what: string, result: number): string => {
    kernel.close(fd);
    return because(what, result);
  };
  if (own.result < 0) return refuse("the broker's user namespace", own.result);
  if (owner < 0) return refuse("the owner of its user namespace", owner);
  const facts = { fd, inode, owner, descriptors: [fd] };
  if (inode === own.inode) return { ...facts, initial: true, nested: false, account: "" };
  // Walk up to the child of the broker's namespace, holding each open until the next is opened.
  let outer = { fd: kernel.dup(fd), inode, owner };
  try {
    for (let depth = 0; depth < DEEPEST; depth++) {
      if (outer.fd < 0) return refuse("the ancestors of its user namespace", outer.fd);
      const parent = namespaces.parent(outer.fd);
      // No visible parent: it is not below the broker's namespace.
      if (parent < 0) return refuse("the ancestors of its user namespace", parent);
      const above = kernel.stat(parent).inode;
      if (above === own.inode) {
        kernel.close(parent);
        // Inodes are reused after a namespace is gone; only Linux 6.18 has namespace ids.
        const id = namespaces.id(outer.fd);
        const account = outer.owner === 0
          ? `namespace ${id < 0 ? outer.inode : id}`
          : `uid ${outer.owner}`;
        return { ...facts, initial: false, nested: depth > 0, account };
      }
      kernel.close(outer.fd);
      outer = { fd: parent, inode: above, owner: namespaces.ownerUid(parent) };
    }
    return refuse("the ancestors of its user namespace", -Errno.ELOOP);
  } finally {
    if (outer.fd >= 0) kernel.close(outer.fd);
  }
}

/** Formats why a fact about a peer is unknown. */
function because(what: string, result: number): string {
  const why = failed(result, Errno.EMFILE, Errno.ENFILE)
    ? "the broker has no file descriptors left"
    : failed(result, Errno.ESRCH)
    ? "its process has ended"
    : failed(result, Errno.EPERM, Errno.EACCES)
    ? "the broker lacks permission"
    : "the kernel refused";
  return `cannot get ${what}: ${why} (${errnoName(-result)})`;
}

/** Returns whether a network namespace belongs to the user namespace. */
function ownedBy(kernel: Kernel, networkFd: number, userNamespace: bigint): boolean {
  const owner = kernel.processes.namespaces.owningUserNamespace(networkFd);
  if (owner < 0) return false;
  const { inode } = kernel.stat(owner);
  kernel.close(owner);
  return inode === userNamespace;
}

/**
 * Returns whether all threads of a user namespace are in network namespaces that it owns; others
 * could use the token in theirs.
 *
 * The result holds for the moment: the holder can pass the token on later, and a process that forks
 * and exits continuously can be missed, since /proc is read process by process.
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
      // The thread ended, or it is in a namespace not below the broker's.
      if (user.result < 0 || user.inode !== userNamespace) continue;
      const network = kernel.open(`${folder}/net`);
      if (failed(network, Errno.ENOENT, Errno.ESRCH)) continue;
      const owned = network >= 0 && ownedBy(kernel, network, userNamespace);
      if (network >= 0) kernel.close(network);
      if (!owned) return false;
      seen = true;
    }
  }
  // The peer itself must have been seen; otherwise /proc does not show the processes.
  return seen;
}

function numbersIn(kernel: Kernel, folder: string): readonly string[] {
  return (kernel.readDirectory(folder) ?? []).filter((name) => /^\d+$/.test(name));
}

/** Returns the path in the unified hierarchy, or else in systemd's named hierarchy. */
function cgroupOf(kernel: Kernel, pid: number): string | undefined {
  const { result, bytes } = kernel.readFile(`/proc/${pid}/cgroup`, 64 * 1024);
  if (result < 0) return undefined;
  const text = new TextDecoder().decode(bytes);
  return (/^0::(\/.*)$/m.exec(text) ?? /^\d+:name=systemd:(\/.*)$/m.exec(text))?.[1];
}
