/**
 * Attaches to a socket: filters, and programs that select a socket of a SO_REUSEPORT group.
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

/** Attach options of socket programs. */
export interface SocketOptions {
  /** Descriptor of the socket. The caller keeps it. */
  readonly socket?: number | undefined;
}

/** Attach method for `socket` hooks. */
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

/** Attach method for `reuseport` hooks. */
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
 * Attaches a filter to a socket, without a link: it stays until it is detached or the socket is closed.
 *
 * Minimum kernel: Linux 3.19.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
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
 * Attaches a program that selects the socket of a SO_REUSEPORT group. Minimum kernel: Linux 4.19.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
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
