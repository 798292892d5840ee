/**
 * Programs on one socket: filters, and the choice among sockets that share a port.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { INTEGER } from "./options.ts";
import { attachError, checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link } from "./link.ts";
import {
  SO_ATTACH_BPF,
  SO_ATTACH_REUSEPORT_EBPF,
  SO_DETACH_FILTER,
  SO_DETACH_REUSEPORT_BPF,
} from "../../uapi/sockets.ts";

/** Where a socket program goes. */
export interface SocketOptions {
  /** A descriptor of the socket, which stays the caller's. */
  readonly socket?: number | undefined;
}

/** How programs attach to `socket` hooks. */
export const socket: AttachMethod<"socket", SocketOptions> = new AttachMethod<
  "socket",
  SocketOptions
>({
  kind: "socket",
  options: {
    socket: INTEGER,
  },
  attach: (program, options) =>
    attachToSocket(program, options, "socket", SO_ATTACH_BPF, SO_DETACH_FILTER),
});

/** How programs attach to `reuseport` hooks. */
export const reuseport: AttachMethod<"reuseport", SocketOptions> = new AttachMethod<
  "reuseport",
  SocketOptions
>({
  kind: "reuseport",
  options: {
    socket: INTEGER,
  },
  attach: (program, options) =>
    attachToSocket(
      program,
      options,
      "reuseport",
      SO_ATTACH_REUSEPORT_EBPF,
      SO_DETACH_REUSEPORT_BPF,
    ),
});

/**
 * Puts a filter on a socket. It stays until it is taken away or the socket is closed.
 *
 * Minimum kernel: Linux 3.19.
 *
 * @throws AttachError, KernelError or DelegationError, as {@linkcode attachProgram}.
 * @example
 * ```ts ignore
 * import { attachSocket } from "@skep/skep/attach";
 *
 * using link = attachSocket(object.programs.get("filter"), { socket: descriptor });
 * ```
 */
export function attachSocket(program: AttachableProgram, options: SocketOptions = {}): Link {
  return socket.attach(program, options);
}

/**
 * Lets a program choose among the sockets of a SO_REUSEPORT group. Minimum kernel: Linux 4.19.
 *
 * @throws AttachError, KernelError or DelegationError, as {@linkcode attachProgram}.
 * @example
 * ```ts ignore
 * import { attachReuseport } from "@skep/skep/attach";
 *
 * using link = attachReuseport(object.programs.get("choose"), { socket: descriptor });
 * ```
 */
export function attachReuseport(program: AttachableProgram, options: SocketOptions = {}): Link {
  return reuseport.attach(program, options);
}

function attachToSocket(
  program: AttachableProgram,
  options: SocketOptions,
  kind: "socket" | "reuseport",
  attach: number,
  detach: number,
): Link {
  const { kernel } = program;
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
