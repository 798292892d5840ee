/**
 * Implements {@linkcode Processes} with system calls.
 *
 * @module
 */

import type { Kernel } from "../kernel.ts";
import type { Processes } from "../processes.ts";
import { confine } from "./credentials.ts";
import { startIsolated } from "./isolate.ts";
import * as mounts from "./mounts.ts";
import { lockFile, openPipe, openProcess, signalProcess } from "./process.ts";
import { startRemover } from "./remover.ts";
import * as sockets from "./sockets.ts";
import * as terminals from "./terminal.ts";
import * as namespaces from "./user_namespace.ts";

/** Returns the commands on other processes of this machine. */
export function linuxProcesses(kernel: Kernel): Processes {
  return {
    children: {
      startIsolated: (command) => startIsolated(kernel, command),
      open: openProcess,
      signal: signalProcess,
      lock: lockFile,
      startRemover: (path) => startRemover(kernel, path),
      pipe: openPipe,
    },
    credentials: { confine },
    namespaces: {
      ofProcess: (pidfd, kind) => namespaces.namespaceOfProcess(kernel, pidfd, kind),
      owningUserNamespace: (fd) => namespaces.owningUserNamespace(kernel, fd),
      parent: (fd) => namespaces.parentNamespace(kernel, fd),
      ownerUid: namespaces.ownerUid,
      id: namespaces.namespaceId,
      writeIdMaps: (pid, uid, gid) => namespaces.writeIdMaps(kernel, pid, uid, gid),
      ownerMap: (uid, gid) => namespaces.ownerMap(kernel, uid, gid),
      openFilesystemIn: (fd, options) => namespaces.openFilesystemIn(kernel, fd, options),
      createTokenIn: (fd, directoryFd, options) =>
        namespaces.createTokenIn(kernel, fd, directoryFd, options),
    },
    mounts: {
      open: mounts.openFilesystem,
      pick: mounts.pickFilesystem,
      setOption: mounts.setFilesystemOption,
      create: mounts.createFilesystem,
      reconfigure: mounts.reconfigureFilesystem,
      mount: mounts.mountFilesystem,
      move: mounts.moveMount,
    },
    sockets: {
      pair: sockets.socketPair,
      listen: sockets.listenAt,
      adopt: sockets.adoptSocket,
      notify: sockets.notify,
      accept: sockets.acceptConnection,
      connect: sockets.connectTo,
      send: sockets.sendMessage,
      receive: sockets.receiveMessage,
      receiveWithin: (socket, size, timeout) =>
        sockets.receiveWithin(kernel, socket, size, timeout),
      peerCredentials: sockets.peerCredentials,
      peerProcess: sockets.peerProcess,
      setMode: sockets.setMode,
    },
    terminals: {
      open: (uid, gid) => terminals.openTerminal(kernel, uid, gid),
      settings: terminals.terminalSettings,
      setSettings: terminals.setTerminalSettings,
      copyWindowSize: terminals.copyWindowSize,
    },
  };
}
