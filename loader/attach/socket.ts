/**
 * Programs on one socket: filters, and the choice among sockets that share a port.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { attachError, checkAttach } from "./error.ts";
import { type AttachableProgram, Link } from "./link.ts";
import {
  SO_ATTACH_BPF,
  SO_ATTACH_REUSEPORT_EBPF,
  SO_DETACH_FILTER,
  SO_DETACH_REUSEPORT_BPF,
} from "../../uapi/sockets.ts";

/** Where a socket program goes. */
export interface SocketOptions {
  /** A descriptor of the socket, which stays the caller's. */
  readonly socket?: number;
}

/** Puts a filter on a socket. It stays until it is taken away or the socket is closed. Minimum kernel: Linux 3.19. */
export function attachSocketFilter(
  kernel: Kernel,
  program: AttachableProgram,
  options: SocketOptions,
): Link {
  return attachToSocket(kernel, program, options, "socket", SO_ATTACH_BPF, SO_DETACH_FILTER);
}

/** Lets a program choose among the sockets of a SO_REUSEPORT group. Minimum kernel: Linux 4.19. */
export function attachReuseport(
  kernel: Kernel,
  program: AttachableProgram,
  options: SocketOptions,
): Link {
  return attachToSocket(
    kernel,
    program,
    options,
    "reuseport",
    SO_ATTACH_REUSEPORT_EBPF,
    SO_DETACH_REUSEPORT_BPF,
  );
}

function attachToSocket(
  kernel: Kernel,
  program: AttachableProgram,
  options: SocketOptions,
  kind: "socket" | "reuseport",
  attach: number,
  detach: number,
): Link {
  if (options.socket === undefined) {
    throw attachError(program.name, "no socket was given", {
      errno: "EINVAL",
      fix: "attach({ socket: DESCRIPTOR })",
    });
  }
  const socket = checkAttach(kernel.dup(options.socket), program.name, "fcntl");
  const result = kernel.setSocketOption(socket, attach, program.fd);
  if (result < 0) kernel.close(socket);
  checkAttach(result, program.name, "setsockopt", {
    data: { socket: options.socket, option: attach },
  });
  return new Link(kernel, {
    kind,
    program: program.name,
    target: `socket ${options.socket}`,
    fd: -1,
    descriptors: [socket],
    legacy: {
      detach: () => kernel.setSocketOption(socket, detach, 0),
      update: (programFd) => kernel.setSocketOption(socket, attach, programFd),
    },
  });
}
