/**
 * Who is at the other end of a broker's connection.
 *
 * The kernel is asked through a descriptor of the process, never by its pid: a pid can be another
 * process's by the time it is used.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { PeerFacts } from "./policy.ts";

/** A peer that was identified. Its descriptors are this process's until disposal. */
export interface Peer extends Disposable {
  /** What a policy looks at. */
  readonly facts: PeerFacts;
  /** A descriptor of the process. */
  readonly pidfd: number;
  /** A descriptor of its user namespace: while it is open, no other gets its inode. */
  readonly userNamespaceFd: number;
}

/** Identifies the peer of a connection; a text that says why it cannot be, otherwise. */
export function identifyPeer(kernel: Kernel, socket: number): Peer | string {
  const { namespaces, sockets } = kernel.processes;
  const credentials = sockets.peerCredentials(socket);
  if (typeof credentials === "number") return "its credentials cannot be had";
  const pidfd = sockets.peerProcess(socket);
  if (pidfd < 0) return "its process is gone, or this kernel (before 6.5) cannot tell which it is";
  const opened: number[] = [pidfd];
  const close = (): void => {
    for (const fd of opened.splice(0)) kernel.close(fd);
  };
  const open = (fd: number): number => {
    if (fd >= 0) opened.push(fd);
    return fd;
  };
  const userNamespaceFd = open(namespaces.ofProcess(pidfd, "user"));
  const network = open(namespaces.ofProcess(pidfd, "network"));
  if (userNamespaceFd < 0 || network < 0) {
    close();
    return "its namespaces cannot be had: it is gone, or this kernel is older than 6.11";
  }
  const own = kernel.stat("/proc/self/ns/user").inode;
  const { inode } = kernel.stat(userNamespaceFd);
  const initial = inode === own;
  const parent = initial ? -1 : open(namespaces.parent(userNamespaceFd));
  const nested = !initial && (parent < 0 || kernel.stat(parent).inode !== own);
  const owner = namespaces.ownerUid(userNamespaceFd);
  if (owner < 0) {
    close();
    return "nobody can be found to own its user namespace";
  }
  const ownsNetwork = !initial && ownedBy(kernel, network, inode) &&
    allNetworksOwned(kernel, inode);
  const cgroup = cgroupOf(kernel, credentials.pid);
  // Only now, when all has been read by pid, does it count that the pid was its own all the time.
  // A descriptor of a process that has ended is readable.
  if (kernel.poller.poll(pidfd, 0)) {
    close();
    return "its process ended meanwhile";
  }
  return {
    facts: {
      pid: credentials.pid,
      uid: credentials.uid,
      cgroup,
      owner,
      userNamespace: inode,
      initial,
      nested,
      ownsNetwork,
    },
    pidfd,
    userNamespaceFd,
    [Symbol.dispose]: close,
  };
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
 * Whether all processes of a user namespace are in network namespaces that it owns: one that is not
 * could use the token there.
 */
function allNetworksOwned(kernel: Kernel, userNamespace: bigint): boolean {
  for (const name of kernel.readDirectory("/proc") ?? []) {
    if (!/^\d+$/.test(name)) continue;
    if (kernel.stat(`/proc/${name}/ns/user`).inode !== userNamespace) continue;
    const network = kernel.open(`/proc/${name}/ns/net`);
    // It ended while we were looking.
    if (network < 0) continue;
    const owned = ownedBy(kernel, network, userNamespace);
    kernel.close(network);
    if (!owned) return false;
  }
  return true;
}

/** The path in the unified hierarchy; without one, the one that systemd made. */
function cgroupOf(kernel: Kernel, pid: number): string | undefined {
  const { result, bytes } = kernel.readFile(`/proc/${pid}/cgroup`, 64 * 1024);
  if (result < 0) return undefined;
  const text = new TextDecoder().decode(bytes);
  return (/^0::(\/.*)$/m.exec(text) ?? /^\d+:name=systemd:(\/.*)$/m.exec(text))?.[1];
}
